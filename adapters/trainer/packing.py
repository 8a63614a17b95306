"""
Tokenized rows as tensors. Rows that share a prompt prefix become one sequence, prefix + suffix 1 +
suffix 2 …, in which positions start again behind the prefix and a mask keeps continuations apart:
each sees the prefix and itself, so the gradient is that of separate rows and the prefix is computed
once. Other rows stand below each other, padded. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import pad

from rows import MIN_PREFIX_TOKENS, Row, shared_prefix_tokens


@dataclass(frozen=True)
class PackedRows:
    #: [sequences, tokens]
    ids: torch.Tensor
    #: [sequences, tokens]
    positions: torch.Tensor
    #: [tokens], whose each token is: 0 is the prefix, n the n-th row; None: rows stand apart
    owners: torch.Tensor | None
    #: where in the flattened tokens each completion token is predicted, row by row
    label_places: torch.Tensor
    #: completion tokens of each row
    label_counts: list[int]
    #: tokens computed, padding left out
    tokens: int

    @property
    def mask(self) -> torch.Tensor | None:
        """As `dense_mask`; None: causal."""
        return None if self.owners is None else dense_mask(self.owners)


def is_seen(owners: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """
    Whether queries see keys, both given as places, in the places' common shape: keys at or before
    the query that are the prefix's or of its own row.
    """
    return (query >= key) & ((owners[key] == 0) | (owners[query] == owners[key]))


def dense_mask(owners: torch.Tensor) -> torch.Tensor:
    """[1, 1, tokens, tokens], true where a query (rows) sees a key."""
    place = torch.arange(len(owners), device=owners.device)
    return is_seen(owners, place[:, None], place[None, :])[None, None]


def pack_rows(rows: Sequence[Row]) -> PackedRows:
    """`rows` is not empty. A row's last token is only a label, so it is not computed."""
    prefix = shared_prefix_tokens(rows) if len(rows) > 1 else 0
    return _share_prefix(rows, prefix) if prefix >= MIN_PREFIX_TOKENS else _pad(rows)


def _share_prefix(rows: Sequence[Row], prefix: int) -> PackedRows:
    ids = list(rows[0].prompt_ids[:prefix])
    positions = list(range(prefix))
    owners = [0] * prefix
    places: list[int] = []
    for number, row in enumerate(rows, 1):
        own = [*row.prompt_ids[prefix:], *row.completion_ids[:-1]]
        first = len(ids) + len(row.prompt_ids) - 1 - prefix
        places += range(first, first + len(row.completion_ids))
        ids += own
        positions += range(prefix, prefix + len(own))
        owners += [number] * len(own)
    return PackedRows(
        ids=torch.tensor([ids]),
        positions=torch.tensor([positions]),
        owners=torch.tensor(owners),
        label_places=torch.tensor(places),
        label_counts=[len(row.completion_ids) for row in rows],
        tokens=len(ids),
    )


def _pad(rows: Sequence[Row]) -> PackedRows:
    longest = max(row.length for row in rows) - 1
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    places: list[int] = []
    for number, row in enumerate(rows):
        # padding stands behind every real token, so that causal attention never sees it
        ids[number, : row.length - 1] = torch.tensor([*row.prompt_ids, *row.completion_ids][:-1])
        first = number * longest + len(row.prompt_ids) - 1
        places += range(first, first + len(row.completion_ids))
    return PackedRows(
        ids=ids,
        positions=torch.arange(longest).expand(len(rows), -1),
        owners=None,
        label_places=torch.tensor(places),
        label_counts=[len(row.completion_ids) for row in rows],
        tokens=sum(row.length - 1 for row in rows),
    )


def fill_up(packed: PackedRows, block: int) -> PackedRows:
    """
    Rows that share a prefix, up to a multiple of `block` tokens. The filling stands behind all
    tokens and is nobody's, so none of them sees it; it sees the prefix, for a softmax over nothing
    has no value.
    """
    room = (0, -packed.ids.shape[1] % block)
    return replace(
        packed,
        ids=pad(packed.ids, room),
        positions=pad(packed.positions, room),
        owners=pad(packed.owners, room, value=-1),
    )


def split_rows(rows: Sequence[Row], max_tokens: int) -> list[list[Row]]:
    """
    Cuts rows, in order, into parts of at most `max_tokens` computed tokens (padding counts); a row
    that is longer stands alone.
    """
    parts: list[list[Row]] = []
    prefix = own = longest = 0
    for row in rows:
        if parts:
            # of the part with this row: a prefix that all rows share is that of each with the first
            prefix = min(prefix, shared_prefix_tokens([parts[-1][0], row]))
            own, longest = own + row.length - 1, max(longest, row.length - 1)
            count = len(parts[-1]) + 1
            packed = own - (count - 1) * prefix
            if (packed if prefix >= MIN_PREFIX_TOKENS else count * longest) <= max_tokens:
                parts[-1].append(row)
                continue
        parts.append([row])
        prefix, own, longest = len(row.prompt_ids) - 1, row.length - 1, row.length - 1
    return parts
