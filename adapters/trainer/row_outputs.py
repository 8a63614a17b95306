"""
What a model says of rows, without gradients: their losses, and the most probable tokens. Rows that
begin alike are computed with their prefix once. Knows nothing of jobs or of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from losses import label_losses
from packing import PackedRows, pack_rows, split_rows
from rows import Row, SoftTargets, group_by_prefix
from token_budget import TokenBudget

#: a packed batch to what the model says at its completion tokens, [labels, vocabulary]
LabelLogits = Callable[[PackedRows], torch.Tensor]


@dataclass(frozen=True)
class RowLosses:
    #: mean nats per completion token of each row
    losses: list[float]
    #: completion tokens of each row
    tokens: list[int]

    @property
    def mean(self) -> float:
        """Nats per completion token of all rows together."""
        nats = sum(loss * count for loss, count in zip(self.losses, self.tokens, strict=True))
        return nats / sum(self.tokens)


def parts_of(rows: Sequence[Row], max_tokens: int) -> list[list[int]]:
    """Row numbers of what is computed together."""
    parts: list[list[int]] = []
    for group in group_by_prefix(rows):
        # equally long rows together: padding costs attention
        order = sorted(group, key=lambda row: rows[row].length)
        cut = split_rows([rows[number] for number in order], max_tokens)
        start = 0
        for part in cut:
            parts.append(order[start : start + len(part)])
            start += len(part)
    return parts


def completion_nats(logits_of: LabelLogits, row: Row) -> list[float]:
    """Log-probability of every completion token."""
    with torch.no_grad():
        losses = label_losses(logits_of(pack_rows([row])), [replace(row, targets=None)])
    return (-losses).tolist()


def part_losses(logits_of: LabelLogits, rows: Sequence[Row]) -> list[float]:
    """Mean nats per completion token of each row, as themselves."""
    packed = pack_rows(rows)
    with torch.no_grad():
        hard = [replace(row, targets=None) for row in rows]
        nats = label_losses(logits_of(packed), hard)
    return [float(values.mean()) for values in nats.split(packed.label_counts)]


def losses_of_rows(logits_of: LabelLogits, rows: Sequence[Row], max_tokens: int) -> RowLosses:
    """`rows` is not empty and was checked."""
    losses = [0.0] * len(rows)
    for part in parts_of(rows, max_tokens):
        values = part_losses(logits_of, [rows[number] for number in part])
        for number, value in zip(part, values, strict=True):
            losses[number] = value
    return RowLosses(losses, [len(row.completion_ids) for row in rows])


def targets_of_rows(
    logits_of: LabelLogits, rows: Sequence[Row], *, width: int, budget: TokenBudget
) -> Iterator[tuple[int, SoftTargets]]:
    """The most probable tokens at every completion token, with the row's number, part by part."""
    for part in parts_of(rows, budget.max_tokens):
        own = [rows[number] for number in part]
        targets = budget.within(own, partial(_targets, logits_of, own, width))
        yield from zip(part, targets, strict=True)


def _targets(
    logits_of: LabelLogits, rows: Sequence[Row], width: int, max_tokens: int
) -> list[SoftTargets]:
    targets: list[SoftTargets] = []
    for part in split_rows(rows, max_tokens):
        packed = pack_rows(part)
        with torch.no_grad():
            probabilities = torch.softmax(logits_of(packed).float(), dim=1)
        shares, ids = probabilities.topk(width, dim=1)
        counts = packed.label_counts
        for row_ids, row_shares in zip(ids.split(counts), shares.split(counts), strict=True):
            targets.append(SoftTargets(row_ids.cpu().numpy(), row_shares.cpu().numpy()))
    return targets
