"""From a row of log-probabilities to the next token. Knows nothing of text or of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.constraint import Constraint
from engine.seeded_random import seeded_random

#: how many allowed tokens sampling under a predicate chooses among
SAMPLED_WIDTH = 16


@dataclass(frozen=True)
class Sampling:
    #: 0 takes the most probable token
    temperature: float
    #: nucleus: the smallest set of tokens with at least this probability; 1 takes all
    top_p: float
    #: the same seed gives the same tokens
    seed: int


@dataclass(frozen=True)
class TokenChoice:
    token_id: int
    #: nats, of the model before temperature, nucleus and constraint
    logprob: float


@dataclass(frozen=True)
class SampledToken(TokenChoice):
    #: the most probable tokens, best first
    top: tuple[TokenChoice, ...] = ()


def largest(values: np.ndarray, count: int) -> list[int]:
    """Indices of the `count` largest values, largest first; of equal ones the first comes first."""
    if count >= len(values):
        return np.argsort(-values, kind="stable").tolist()
    floor = np.partition(values, -count)[-count]
    found = np.flatnonzero(values >= floor)
    return found[np.argsort(-values[found], kind="stable")][:count].tolist()


class Sampler:
    def __init__(self, sampling: Sampling, top_logprobs: int) -> None:
        self._sampling = sampling
        self._random = seeded_random(sampling.seed)
        self._top_logprobs = top_logprobs

    def choose(self, logprobs: np.ndarray, constraint: Constraint | None) -> SampledToken | None:
        """`logprobs` [vocabulary]; None when the constraint allows no token at all."""
        ids = self._candidates(logprobs, constraint)
        if ids is not None and len(ids) == 0:
            return None
        own = logprobs if ids is None else logprobs[np.asarray(ids)]
        place = self._draw(own)
        token = place if ids is None else ids[place]
        count = self._top_logprobs
        top = largest(logprobs, count) if count > 0 else []
        return SampledToken(
            token_id=int(token),
            logprob=min(0.0, float(logprobs[token])),
            top=tuple(TokenChoice(i, min(0.0, float(logprobs[i]))) for i in top),
        )

    def _candidates(
        self, logprobs: np.ndarray, constraint: Constraint | None
    ) -> Sequence[int] | None:
        """Ids of the allowed tokens; None means all."""
        if constraint is None:
            return None
        listed = constraint.candidates()
        if listed is not None:
            return listed
        width = 1 if self._sampling.temperature == 0 else SAMPLED_WIDTH
        return _allowed_tokens(logprobs, constraint, width)

    def _draw(self, logprobs: np.ndarray) -> int:
        """A place in proportion to exp(logprob / temperature) within the nucleus."""
        temperature, top_p = self._sampling.temperature, self._sampling.top_p
        if temperature == 0:
            return int(logprobs.argmax())
        values = logprobs.astype(np.float64)
        weights = np.exp((values - values.max()) / temperature)
        order = np.argsort(-weights, kind="stable")
        sums = np.cumsum(weights[order])
        count = min(int(np.searchsorted(sums, top_p * sums[-1])) + 1, len(order))
        drawn = int(np.searchsorted(sums[:count], self._random() * sums[count - 1], side="right"))
        return int(order[min(drawn, count - 1)])


def _allowed_tokens(logprobs: np.ndarray, constraint: Constraint, count: int) -> list[int]:
    """Tokens that a constraint allows, from the most probable on; few are usually looked at."""
    allowed: list[int] = []
    tried = 0
    for depth in (16, 256, len(logprobs)):
        order = largest(logprobs, depth)
        for token in order[tried:]:
            if constraint.allows(token):
                allowed.append(token)
                if len(allowed) == count:
                    return allowed
        tried = len(order)
        if allowed:
            return allowed
    return allowed
