"""
The base model's frozen weights shared out over the ranks by torch's FSDP2: each keeps a part of
every layer, and a pass gathers one layer after the other. So a pass needs all ranks at once: they
go through the model in lock step. A lora is put on afterwards and stays whole everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from transformers import PreTrainedModel

from engine.packing import ONE_TOKEN, PackedRows
from engine.ranks import Ranks
from engine.row_outputs import LabelLogits


def shard_base(model: PreTrainedModel, ranks: Ranks) -> None:
    """
    In place. The model lies in host memory; its layers go to the rank's device one at a time, and
    only the rank's part of each stays there.
    """
    mesh = init_device_mesh(torch.device(ranks.device).type, (ranks.size,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    # passes enter by it and not by `forward`, so it too must gather embeddings and head
    register_fsdp_forward_method(model, "label_logits")


@contextmanager
def in_step(
    ranks: Ranks, label_logits: LabelLogits, *, backward: bool = False
) -> Iterator[LabelLogits]:
    """
    What to compute with, each rank as many times as its share of the rows needs. One that is done
    goes on with passes over a single token until all are done. `backward` tells that a pass goes
    through the model back again.
    """
    if not ranks.in_step:
        yield label_logits
        return

    def among_others(packed: PackedRows) -> torch.Tensor:
        ranks.any(True)
        return label_logits(packed)

    yield among_others
    while ranks.any(False):
        with torch.set_grad_enabled(backward):
            idle = label_logits(ONE_TOKEN)
        if backward:
            (idle.sum() * 0).backward()
