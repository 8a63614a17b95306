"""
A checker of shell commands: two are the same where the parser of shfmt reads one tree from both, and each word has the
same characters, special ones apart. So `"*.c"`, `'*.c'` and `\\*.c` are one word, and `*.c` is another; `$(…)` and
backquotes are one; blanks, `;` and line ends are one. All order counts, also of options. It runs neither command.

It needs Debian's shfmt in PATH.
"""

import json
import re
import subprocess
import sys

from verdict import of_trees, tell

#: of the shell `command not found`: the proxy asks again later
NOT_FOUND = 127
SECONDS = 10
POSITION = {"Offset", "Line", "Col"}
#: members that tell how a command is written
SPELLING = {"Backquotes", "Short", "Comments", "Last", "Pos", "End"}
SPECIAL = re.compile(r"[*?\[\]{}~]")


def unquoted(text: str) -> str:
    """Special characters get a mark, escaped ones none. `{}` is never expanded."""
    parts = re.split(r"(\\.|\{\})", text, flags=re.DOTALL)
    return "".join(
        (part[1:].strip("\n") if part[0] == "\\" else part)
        if at % 2
        else SPECIAL.sub(r"\0\g<0>", part)
        for at, part in enumerate(parts)
    )


def word(parts: list[dict]) -> list:
    """Neighbouring texts joined; expansions as trees, with whether they are quoted."""
    pieces: list = []

    def add(piece) -> None:
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)

    for part in parts:
        kind = part["Type"]
        if kind == "Lit":
            add(unquoted(part["Value"]))
        elif kind == "SglQuoted" and not part.get("Dollar"):
            add(part.get("Value", ""))
        elif kind == "DblQuoted" and not part.get("Dollar"):
            for inner in part.get("Parts", []):
                is_text = inner["Type"] == "Lit"
                add(
                    re.sub(r'\\([$`"\\])', r"\1", inner["Value"].replace("\\\n", ""))
                    if is_text
                    else {"quoted": normal(inner)}
                )
            add("")
        else:
            add(normal(part))
    return pieces


def normal(node):
    """The tree without positions and spellings."""
    if isinstance(node, list):
        return [normal(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "Parts" in node and "Type" not in node:
        return word(node["Parts"])
    return {
        name: normal(value)
        for name, value in node.items()
        if name not in SPELLING and not (isinstance(value, dict) and value.keys() == POSITION)
    }


def tree_of(command: str):
    """None for what shfmt cannot read."""
    read = subprocess.run(
        ["shfmt", "--to-json", "-ln", "bash"],
        input=command.encode(errors="replace"),
        capture_output=True,
        timeout=SECONDS,
    )
    return normal(json.loads(read.stdout)) if read.returncode == 0 else None


try:
    tell(of_trees(tree_of))
except FileNotFoundError:
    sys.exit(NOT_FOUND)
