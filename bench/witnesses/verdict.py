"""What the checkers here have in common: the comparison of CHECK_COMMAND on stdin, the verdict on stdout (docs/check.md)."""

import json
import sys
from collections.abc import Callable
from typing import Literal, TypedDict

Verdict = Literal["same", "different", "none"]


class Asked(TypedDict):
    #: what of the request varies, as the small model reads it: values of slots have lines of their own
    query: str
    #: the whole request
    messages: list[dict]
    #: the upstream's answer
    logged: str
    answer: str


def tell(compare: Callable[[Asked], Verdict]) -> None:
    json.dump({"verdict": compare(json.load(sys.stdin))}, sys.stdout)


def of_trees(tree_of: Callable[[str], object | None]) -> Callable[[Asked], Verdict]:
    """@param tree_of gives None for what the parser cannot read; then there is no verdict on a logged answer."""

    def compare(asked: Asked) -> Verdict:
        logged = tree_of(asked["logged"])
        if logged is None:
            return "none"
        return "same" if tree_of(asked["answer"]) == logged else "different"

    return compare
