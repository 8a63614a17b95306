"""One small seeded generator for everything that must come out the same twice, number for number
that of the embedded engine (src/random.ts)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Item = TypeVar("Item")
Random = Callable[[], float]

_MASK = 0xFFFFFFFF


def seeded_random(seed: int) -> Random:
    """Uniform in [0, 1), 32 bits of state (Mulberry32, public domain, T. Ettinger 2017)."""
    state = seed & _MASK

    def next_number() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & _MASK
        mixed = ((state ^ (state >> 15)) * (state | 1)) & _MASK
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61))) & _MASK
        return (mixed ^ (mixed >> 14)) / 2**32

    return next_number


def derive_seed(seed: int, stream: int) -> int:
    """Independent seeds from one: the same pair always gives the same seed."""
    return int(seeded_random(((seed * 0x9E3779B1) & _MASK) ^ (stream & _MASK))() * 2**32)


def shuffled(items: list[Item], random: Random) -> list[Item]:
    """A new list in the order of Fisher and Yates."""
    mixed = list(items)
    for i in range(len(mixed) - 1, 0, -1):
        j = int(random() * (i + 1))
        mixed[i], mixed[j] = mixed[j], mixed[i]
    return mixed
