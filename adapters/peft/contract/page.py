"""OpenAI's cursor pagination over a list in memory, the query that asks for it and its body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.errors import EngineError

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000


@dataclass(frozen=True)
class PageQuery:
    limit: int = DEFAULT_LIMIT
    after: str | None = None
    """id of the item before the page"""


def page_query(params: Mapping[str, str]) -> PageQuery:
    """Raises EngineError `invalid_request`."""
    text = params.get("limit", str(DEFAULT_LIMIT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise EngineError("invalid_request", f"limit: must be 1 to {MAX_LIMIT}", "limit")
    return PageQuery(limit, params.get("after"))


def list_body(items: Sequence[dict[str, Any]], query: PageQuery) -> dict[str, Any]:
    """
    The page of `items` that the query asks for.

    Raises EngineError `invalid_request` when `after` is not among them.
    """
    start = 0
    if query.after is not None:
        ids = [item["id"] for item in items]
        if query.after not in ids:
            raise EngineError("invalid_request", f"after: no {query.after} in this list", "after")
        start = ids.index(query.after) + 1
    data = list(items[start : start + query.limit])
    return {
        "object": "list",
        "data": data,
        "has_more": start + len(data) < len(items),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
