"""
Token ids to text as it may be shown: whole characters only, nothing of a stop string. Knows nothing
of HTTP, chat templates or models.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contract.backend import TokenDelta
from engine.sampler import SampledToken, TokenChoice


@dataclass(frozen=True)
class HeldToken:
    logprob: dict
    #: characters of all text before this token
    start: int


def held_characters(text: str, stop: Sequence[str]) -> int:
    """Characters at the end of `text` that a stop string may begin with."""
    lengths = (
        length
        for word in stop
        for length in range(1, min(len(word) - 1, len(text)) + 1)
        if text.endswith(word[:length])
    )
    return max(lengths, default=0)


class TextAssembler:
    """
    Text that grows by tokens; what is certain can be taken.

    `shows_end`: the end token's log-probability counts, so it is reported (choices).
    """

    def __init__(
        self,
        decode_bytes: Callable[[int], bytes],
        end_ids: Sequence[int],
        *,
        stop: Sequence[str],
        shows_end: bool,
    ) -> None:
        self._decode_bytes = decode_bytes
        self._end_ids = set(end_ids)
        self._stop = [word for word in stop if word]
        self._shows_end = shows_end
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        #: decoded, but a stop string may begin in it
        self._pending = ""
        #: characters handed out or pending
        self._length = 0
        self._held: list[HeldToken] = []
        self._ready: list[TokenDelta] = []
        self._stopped = False

    def push(self, token: SampledToken) -> bool:
        """True when the answer ends: a stop string is complete, or this is the end token."""
        is_end = token.token_id in self._end_ids
        if not is_end or self._shows_end:
            self._held.append(HeldToken(self._describe(token), self._length))
        if is_end:
            return True
        self._append(self._decoder.decode(self._decode_bytes(token.token_id)))
        return self._stopped

    def end(self) -> None:
        """No token follows: incomplete characters become U+FFFD, held text is released."""
        if not self._stopped:
            self._append(self._decoder.decode(b"", final=True))
        if not self._stopped:
            self._release(len(self._pending))
        if self._held:
            self._ready.append(TokenDelta("", [token.logprob for token in self._held]))
            self._held = []

    def take(self) -> list[TokenDelta]:
        """What has become certain since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _append(self, text: str) -> None:
        self._pending += text
        self._length += len(text)
        places = [self._pending.find(word) for word in self._stop]
        at = min((place for place in places if place >= 0), default=-1)
        if at < 0:
            self._release(len(self._pending) - held_characters(self._pending, self._stop))
            return
        self._stopped = True
        end = self._length - len(self._pending) + at
        # tokens that lie wholly in the stop string are not part of the answer
        while self._held and self._held[-1].start >= end:
            self._held.pop()
        self._length = end
        self._pending = self._pending[:at]
        self._release(at)

    def _release(self, characters: int) -> None:
        if characters == 0:
            return
        text, self._pending = self._pending[:characters], self._pending[characters:]
        certain = self._length - len(self._pending)
        ready = [token for token in self._held if token.start < certain]
        self._held = self._held[len(ready) :]
        self._ready.append(TokenDelta(text, [token.logprob for token in ready]))

    def _describe(self, token: SampledToken) -> dict:
        return {
            **self._choice(token),
            "top_logprobs": [self._choice(other) for other in token.top],
        }

    def _choice(self, choice: TokenChoice) -> dict:
        content = self._decode_bytes(choice.token_id)
        text = content.decode("utf-8", "replace")
        return {"token": text, "logprob": choice.logprob, "bytes": list(content)}
