"""
A checker of Python: two programs are the same where Python's parser reads one tree from both. Blanks, comments, kinds of
quotes and spare parentheses do not count; names and order do. It runs neither program.
"""

import ast

from verdict import of_trees, tell


def tree_of(program: str) -> str | None:
    try:
        return ast.dump(ast.parse(program))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


tell(of_trees(tree_of))
