"""In which order rows are trained, and which of them are computed together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.rows import TokenizedRow, shared_prefix_tokens
from engine.seeded_random import derive_seed, seeded_random, shuffled

#: batches whose rows are drawn together and sorted by length among themselves
CHUNK_BATCHES = 4


def epoch_batches(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int
) -> list[list[int]]:
    """
    One epoch's batches as row numbers: shuffled, then bucketed by length inside chunks of a few
    batches, so that rows of a batch are about equally long, and the chunk's batches shuffled. A
    function of seed and epoch alone, so a resumed job needs no generator state.
    """
    random = seeded_random(derive_seed(seed, epoch))
    order = shuffled(list(range(len(lengths))), random)
    batches: list[list[int]] = []
    for at in range(0, len(order), CHUNK_BATCHES * batch_size):
        chunk = sorted(order[at : at + CHUNK_BATCHES * batch_size], key=lambda row: lengths[row])
        cut = [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
        batches.extend(shuffled(cut, random))
    return batches


def batch_sequence(
    lengths: Sequence[int], batch_size: int, seed: int, from_step: int
) -> Iterator[list[int]]:
    """Endless batches from the given step on, the same for the same seed."""
    per_epoch = -(-len(lengths) // batch_size)
    epoch, skip = divmod(from_step, per_epoch)
    while True:
        yield from epoch_batches(lengths, batch_size, seed, epoch)[skip:]
        epoch, skip = epoch + 1, 0


def group_by_prefix(rows: Sequence[TokenizedRow]) -> list[list[int]]:
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
