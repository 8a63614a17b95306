"""
What a lora changed on a given text when training ended, kept beside it, and whether a server's
answers agree. Knows nothing of how either computes.

The texts are made up: a row of training would show more, but it is somebody's, and would lie here
for as long as the lora.

Changes are compared and not values: another kernel or a base in fewer bits says everything a little
otherwise, with and without the lora, and what both share drops out. What does not drop out is as
large as the difference of the base model's own values between training and server, which is
measured on the same tokens: a fixed allowance refuses weak loras where kernels differ by more.
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


#: Rounding moves training's change and the served one apart by √2 of what it moves the base model
#: (two independent differences against one); both are norms over some 20 tokens, whose squares'
#: ratio is below 4.3 in 999 of 1,000 cases (F with 20 and 20 degrees of freedom): √2 · √4.3 = 2.9
NOISE_RATIO = 3.0


@dataclass(frozen=True)
class Probe:
    prompt_ids: list[int]
    #: the answers' ids
    completions: list[list[int]]
    #: nats of every completion token, answer after answer, without the lora and with it
    base: list[float]
    lora: list[float]
    #: what training computed in: `float32`, `bfloat16`, `bfloat16 4-bit`
    placement: str


@dataclass(frozen=True)
class Tolerance:
    #: nats a token that rounding changes at least, should the measured noise be less by chance
    least_noise: float
    #: nats a token by which the base model may differ from training; more is another model
    most_noise: float
    #: of the change in training, by which the served one may differ
    share: float


TOLERANCES = {
    "float32": Tolerance(1e-3, 0.05, 0.02),
    "bfloat16": Tolerance(0.02, 0.5, 0.25),
    "4-bit": Tolerance(0.05, 2.0, 0.5),
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
    `rows` have one prompt. `base_nats` and `lora_nats` give the log-probability of every completion
    token.
    """
    return Probe(
        rows[0].prompt_ids,
        [row.completion_ids for row in rows],
        [nats for row in rows for nats in base_nats(row)],
        [nats for row in rows for nats in lora_nats(row)],
        placement,
    )


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
    served, trained = _change(base, lora), _change(probe.base, probe.lora)
    if not np.isfinite(served).all():
        return "it makes the model say numbers that are none"
    drift, tokens = _size(_change(probe.base, base)), len(trained) ** 0.5
    if drift > tolerance.most_noise * tokens:
        return f"the base model says its probe by {drift:.3g} nats otherwise than in training"
    noise = max(tolerance.least_noise * tokens, NOISE_RATIO * drift)
    apart = _size(served - trained)
    if apart <= noise + tolerance.share * _size(trained):
        return None
    if _size(served) <= noise:
        return "it changes nothing there"
    return (
        f"it changes its probe by {_size(served):.3g} nats there and by {_size(trained):.3g} in "
        f"training, {apart:.3g} apart"
    )


def changes_nothing(base: Sequence[float], again: Sequence[float], lora: Sequence[float]) -> bool:
    """
    Of a lora without a probe: whether its values differ from the base model's by no more than
    rounding, which is how the base model's differ from themselves when it is asked `again`.
    """
    return _size(_change(base, lora)) <= NOISE_RATIO * _size(_change(base, again))


def _change(base: Sequence[float], lora: Sequence[float]) -> np.ndarray:
    return np.asarray(lora, dtype=np.float64) - np.asarray(base, dtype=np.float64)


def _size(change: np.ndarray) -> float:
    return float(np.linalg.norm(change))
