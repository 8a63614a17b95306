"""
What a generation may say: one of some given answers, or one JSON object. Knows nothing of
probabilities; the sampler asks which tokens are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.json_validator import START, JsonState, bytes_to_end, feed


class Constraint(Protocol):
    """Follows one generation token by token."""

    def candidates(self) -> list[int] | None:
        """The only tokens allowed next; None where `allows` must be asked instead."""

    def allows(self, token_id: int) -> bool: ...

    def advance(self, token_id: int) -> None:
        """Takes an allowed token that was chosen."""

    @property
    def finished(self) -> bool:
        """Nothing can follow, and the end token need not be generated."""


class Choices:
    """Only the given answers' tokens, each followed by the end token."""

    def __init__(self, encodings: Sequence[Sequence[int]], end_token: int) -> None:
        self._node: dict[int, dict] = {}
        for encoding in encodings:
            node = self._node
            for token in [*encoding, end_token]:
                node = node.setdefault(token, {})

    def candidates(self) -> list[int] | None:
        return list(self._node)

    def allows(self, token_id: int) -> bool:
        return token_id in self._node

    def advance(self, token_id: int) -> None:
        self._node = self._node[token_id]

    @property
    def finished(self) -> bool:
        return not self._node


class JsonObject:
    """
    One JSON object in valid UTF-8, closed before the tokens run out: a token is allowed only while
    what would be left to write fits into the tokens that are left, one a byte.
    """

    def __init__(self, token_bytes: Callable[[int], bytes], max_tokens: int) -> None:
        self._token_bytes = token_bytes
        self._state = START
        self._left = max_tokens

    def candidates(self) -> list[int] | None:
        return None

    def _after(self, token_id: int) -> JsonState | None:
        content = self._token_bytes(token_id)
        return feed(self._state, content) if content else None

    def allows(self, token_id: int) -> bool:
        after = self._after(token_id)
        if after is None:
            return False
        rest = bytes_to_end(after)
        return rest <= self._left - 1 or rest < bytes_to_end(self._state)

    def advance(self, token_id: int) -> None:
        after = self._after(token_id)
        if after is None:
            raise ValueError(f"token {token_id} is not allowed here")
        self._state = after
        self._left -= 1

    @property
    def finished(self) -> bool:
        return self._state.place == "complete"
