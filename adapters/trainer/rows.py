"""Rows of token ids: what they have in common, and which of them are computed together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
class Row:
    #: at least one token; no loss on them
    prompt_ids: list[int]
    #: at least one token
    completion_ids: list[int]
    #: multiplies the row's loss
    weight: float = 1.0
    #: what the completion's tokens are learned as; None: as themselves
    targets: SoftTargets | None = None
    #: the whole prompt, which the teacher reads
    teacher_prompt_ids: list[int] | None = None

    @property
    def length(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def shared_prefix_tokens(rows: Sequence[Row]) -> int:
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


def group_by_prefix(rows: Sequence[Row]) -> list[list[int]]:
    """
    Groups rows whose prompts begin alike, so that each group's prefix is computed once. Rows are
    compared with their neighbours in sorted order: one joins the group before it unless it has
    clearly more in common with the row behind it. Gives row numbers.
    """
    order = sorted(range(len(rows)), key=lambda row: rows[row].prompt_ids)
    groups: list[list[int]] = []
    for place, row in enumerate(order):
        # sorted, so a group's common prefix is that of its first and last row
        before = shared_prefix_tokens([rows[groups[-1][0]], rows[row]]) if groups else 0
        following = order[place + 1 : place + 2]
        behind = shared_prefix_tokens([rows[row], rows[following[0]]]) if following else 0
        if not groups or before < 0.9 * behind:
            groups.append([row])
        else:
            groups[-1].append(row)
    return groups


def total_label_weight(rows: Sequence[Row]) -> float:
    """Weighted completion tokens: what the loss of a batch is divided by."""
    return sum(row.weight * len(row.completion_ids) for row in rows)


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
