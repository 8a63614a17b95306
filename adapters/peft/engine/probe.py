"""
What a lora changed on a given text when training ended, kept beside it, and whether a server's
answers agree. Knows nothing of how either computes.

The texts are made up: a row of training would show more, but it is somebody's, and would lie here
for as long as the lora.

Changes are compared and not values: another kernel or a base in fewer bits says everything a little
otherwise, with and without the lora, and what both share drops out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from contract.backend import Message
from engine.rendering import ChatRenderer
from engine.rows import TokenizedRow

PROBE = "probe.json"
#: a lora that learned to answer in its own way finds some of these less likely than before
QUESTION = "What is the answer to this question?"
ANSWERS = ("Yes.", "I do not know what you mean.", '{"answer": 1}', "other")


@dataclass(frozen=True)
class Probe:
    prompt_ids: list[int]
    completion_ids: list[int]
    #: nats of every completion token, without the lora and with it
    base: list[float]
    lora: list[float]
    #: what training computed in: `float32`, `bfloat16`, `bfloat16 4-bit`
    placement: str


@dataclass(frozen=True)
class Tolerance:
    #: nats a token: what rounding alone may change
    noise: float
    #: of the change in training, by which the served one may differ
    share: float


TOLERANCES = {
    "float32": Tolerance(1e-3, 0.02),
    "bfloat16": Tolerance(0.05, 0.25),
    "4-bit": Tolerance(0.2, 0.5),
}


def tolerance_of(*placements: str) -> Tolerance:
    """Of the coarsest of them."""
    joined = " ".join(placements)
    return next(TOLERANCES[kind] for kind in ("4-bit", "bfloat16", "float32") if kind in joined)


def probe_rows(chat: ChatRenderer) -> list[TokenizedRow]:
    """The question with each of its answers, as a lora reads them."""
    return [
        chat.row([Message("user", QUESTION), Message("assistant", text)], default_system=False)
        for text in ANSWERS
    ]


def measure_probe(
    rows: Sequence[TokenizedRow],
    base_nats: Callable[[TokenizedRow], list[float]],
    lora_nats: Callable[[TokenizedRow], list[float]],
    placement: str,
) -> Probe:
    """
    The row on which the lora changes most. `base_nats` and `lora_nats` give the log-probability of
    every completion token.
    """
    probes = [
        Probe(row.prompt_ids, row.completion_ids, base_nats(row), lora_nats(row), placement)
        for row in rows
    ]
    return max(probes, key=lambda probe: _size(_change(probe.base, probe.lora)))


def encode_probe(probe: Probe) -> bytes:
    return f"{json.dumps(asdict(probe))}\n".encode()


def read_probe(folder: Path) -> Probe | None:
    """None beside loras that were trained without one, and for a file that is damaged."""
    try:
        return Probe(**json.loads((folder / PROBE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def contradiction(
    probe: Probe, base: Sequence[float], lora: Sequence[float], tolerance: Tolerance
) -> str | None:
    """
    Why a server's log-probabilities cannot be those of the lora; None when they may be. A lora that
    changes less than rounding does cannot be told from one that is not there.
    """
    served = _change(base, lora)
    if not np.isfinite(served).all():
        return "it makes the model say numbers that are none"
    trained = _change(probe.base, probe.lora)
    noise = tolerance.noise * len(trained) ** 0.5
    apart = _size(served - trained)
    if apart <= noise + tolerance.share * _size(trained):
        return None
    if _size(served) <= noise:
        return "it changes nothing there"
    return (
        f"it changes its probe by {_size(served):.3g} nats there and by {_size(trained):.3g} in "
        f"training, {apart:.3g} apart"
    )


def _change(base: Sequence[float], lora: Sequence[float]) -> np.ndarray:
    return np.asarray(lora, dtype=np.float64) - np.asarray(base, dtype=np.float64)


def _size(change: np.ndarray) -> float:
    return float(np.linalg.norm(change))
