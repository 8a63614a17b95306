"""Tokenized rows: what training and loss need of them, and what they have in common. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.errors import EngineError
from engine.javascript_json import number_text

#: of its most probable token's probability: below, the teacher would have gone on otherwise
LEAST_SHARE = 0.9
#: a shorter prefix that rows share saves less than the larger mask costs
MIN_PREFIX_TOKENS = 8


@dataclass(frozen=True)
class SoftTargets:
    """What a teacher says at each completion token, most probable first."""

    #: [completion tokens, width]
    ids: np.ndarray
    #: [completion tokens, width]; what they leave of 1 belongs to all other tokens together
    probabilities: np.ndarray


@dataclass(frozen=True)
class TokenizedRow:
    #: at least one token; no loss on them
    prompt_ids: list[int]
    #: at least one token
    completion_ids: list[int]
    #: multiplies the row's loss
    weight: float
    #: what the completion's tokens are learned as; None: as themselves
    targets: SoftTargets | None = None

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def check_rows(rows: Sequence[TokenizedRow], max_positions: int) -> None:
    """Raises EngineError `context_length_exceeded`, `invalid_request`."""
    for number, row in enumerate(rows, 1):
        if row.length > max_positions:
            raise EngineError(
                "context_length_exceeded",
                f"row {number} has {row.length} tokens; the model's context is {max_positions}: "
                "leave the row out, or use a model that reads more",
            )
        if not row.prompt_ids or not row.completion_ids:
            raise EngineError("invalid_request", f"row {number} has an empty prompt or completion")
        if not math.isfinite(row.weight) or row.weight < 0:
            raise EngineError("invalid_request", f"row {number} has weight {row.weight}")


def shared_prefix_tokens(rows: Sequence[TokenizedRow]) -> int:
    """Tokens that all prompts begin with; every row keeps at least one prompt token of its own."""
    if not rows:
        return 0
    first = rows[0].prompt_ids
    shared = len(first) - 1
    for row in rows:
        shared = min(shared, len(row.prompt_ids) - 1)
        if row.prompt_ids[:shared] != first[:shared]:
            shared = next(i for i in range(shared) if row.prompt_ids[i] != first[i])
    return shared


def total_label_weight(rows: Sequence[TokenizedRow]) -> float:
    """Weighted completion tokens: what the loss of a batch is divided by."""
    return sum(row.weight * len(row.completion_ids) for row in rows)


def hash_rows(rows: Sequence[TokenizedRow]) -> str:
    """sha256 of tokens, targets and weights: the data a lora was trained on."""
    digest = hashlib.sha256()
    for row in rows:
        prompt, completion = _joined(row.prompt_ids), _joined(row.completion_ids)
        digest.update(f"{prompt};{completion};{number_text(float(row.weight))}\n".encode())
        if row.targets is not None:
            ids = _joined(row.targets.ids.ravel().tolist())
            shares = row.targets.probabilities.astype(np.float64).ravel().tolist()
            digest.update(f"{ids};{','.join(map(number_text, shares))}\n".encode())
    return digest.hexdigest()


def _joined(ids: Sequence[int]) -> str:
    return ",".join(map(str, ids))


def trusted_targets(targets: SoftTargets, completion_ids: Sequence[int]) -> SoftTargets:
    """
    Targets of one row, up to the token where the answer leaves what its teacher would have said;
    from there on the answer itself. A teacher's text, read again, may have other tokens than those
    it was made of. A lora that learned to begin with the teacher's tokens and to go on behind the
    logged ones would do neither; and behind the first of those the teacher itself is lost.
    """
    ids, probabilities = targets.ids.copy(), targets.probabilities.copy()
    is_trusted = True
    for position, token in enumerate(completion_ids):
        found = np.flatnonzero(ids[position] == token)
        share = probabilities[position, found[0]] if found.size else -1.0
        is_trusted = is_trusted and bool(share >= LEAST_SHARE * probabilities[position, 0])
        if is_trusted:
            continue
        probabilities[position] = 0
        place = found[0] if found.size else ids.shape[1] - 1
        ids[position, place] = token
        probabilities[position, place] = 1
    return SoftTargets(ids, probabilities)
