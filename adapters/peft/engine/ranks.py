"""
Several processes that train one job together, each on its own device and with its own share of
every batch. They hold the same weights and optimizer, and add up their gradients. What they decide
by a clock, a signal or a loss they decide alike, or they would wait for each other for ever.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

Item = TypeVar("Item")

#: how long one may wait for the others, who may read long rows or write a checkpoint meanwhile
PATIENCE = timedelta(hours=1)


class PeerLost(Exception):
    """Another process has died. What became of it is for that process, or its launcher, to tell."""


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise PeerLost(str(error)) from error


def is_of_a_lost_peer(error: BaseException) -> bool:
    """
    Whether it comes out of torch's collectives, also those that a sharded model's pass makes. They
    fail when another process has died, and gloo has no class of error for it.
    """
    if not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError):
        return False
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    raised_in = "" if frame is None else frame.tb_frame.f_globals.get("__name__", "")
    return raised_in.startswith("torch.distributed.")


class Ranks:
    """
    One process alone, unless `join_ranks` made it one of several. What all must do together raises
    PeerLost.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, device: str = "cpu", *, shards_base: bool = False
    ) -> None:
        self.rank = rank
        self.size = size
        self.device = device
        #: whether each holds a part of the base model, so that a pass through it takes all of them
        self.in_step = shards_base and size > 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that reports and writes."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """Every n-th item, so that rows in order of their length are shared fairly."""
        return list(items[self.rank :: self.size])

    def add_up(self, tensor: torch.Tensor) -> None:
        """In place: the sum over all processes."""
        if self.size > 1:
            with _together():
                dist.all_reduce(tensor)

    def totals(self, *values: float) -> list[float]:
        """Each value's sum over all processes."""
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        self.add_up(tensor)
        return tensor.tolist()

    def any(self, flag: bool) -> bool:
        """Whether it is true in one of them."""
        return self.totals(float(flag))[0] > 0

    def of_leader(self, value: Item) -> Item:
        """The leader's value. Small things alone: it is pickled."""
        if self.size == 1:
            return value
        box = [value]
        with _together():
            dist.broadcast_object_list(box, src=0, device=torch.device(self.device))
        return box[0]

    def gather(self, items: Sequence[Item]) -> list[Item]:
        """Everyone's items in one list, in the order in which `share` dealt them out."""
        if self.size == 1:
            return list(items)
        parts: list[Any] = [None] * self.size
        with _together():
            dist.all_gather_object(parts, list(items))
        return [
            parts[rank][place]
            for place in range(max(map(len, parts)))
            for rank in range(self.size)
            if place < len(parts[rank])
        ]

    def leave(self) -> None:
        if self.size > 1:
            dist.destroy_process_group()


def join_ranks(
    device: str, env: Mapping[str, str] = os.environ, *, shards_base: bool = False
) -> Ranks:
    """The process's place among those that torchrun has started; alone without torchrun."""
    size = int(env.get("WORLD_SIZE", "1"))
    if size > 1 and device != "cpu":
        device = f"cuda:{env['LOCAL_RANK']}"
    if ":" in device:
        # for what is told no device: kernels that are compiled, bitsandbytes, NCCL
        torch.cuda.set_device(device)
    if size == 1:
        return Ranks(device=device)
    dist.init_process_group("gloo" if device == "cpu" else "nccl", timeout=PATIENCE)
    return Ranks(dist.get_rank(), size, device, shards_base=shards_base)
