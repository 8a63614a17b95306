"""
Counts what a forward and a backward pass of the trainer compute, without a GPU and without weights:
the trainer's own code runs on tensors that have shapes and no values, and each kernel that torch
would start is noted with its operations and the bytes that it reads and writes at least. It knows
nothing of machines; roofline.ts does.

    python count_step.py request.json counted.json

The request has `models` (name to Qwen3Config's fields), `rank`, and `workloads` (name to `rows`,
`prefix`, `prompt` and `completion` in tokens). Writes {model: {workload: {"tokens", "labels",
"saved_bytes", "host_seconds", "kernels": [{"op", "kind", "is_backward", "count", "flops",
"bytes"}]}}}; what is saved is kept for the backward pass, without weights.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

sys.path.insert(0, str(Path(__file__).parents[2] / "adapters/trainer"))

import attention
import fused
from losses import label_losses, label_weights
from model import ADAPTER, label_logits
from packing import pack_rows, split_rows
from rows import Row

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
#: these make another tensor of the same memory, and start no kernel
VIEWS = {
    "_unsafe_view",
    "detach",
    "alias",
    "lift_fresh",
    "empty",
    "empty_like",
    "device",
}
PRODUCTS = {"mm", "addmm", "addmm_", "bmm"}
#: these read and write what they are given indices of, no more than their smallest argument
PICKS = {"gather", "scatter_", "embedding", "index"}


#: the shortest counts, because other programs take time, too
HOST_RUNS = 5


@dataclass(frozen=True)
class Kernel:
    op: str
    #: `product`, `attention`, `norm`, `other`
    kind: str
    is_backward: bool
    flops: int
    bytes: int


def bytes_of(tensor: torch.Tensor) -> int:
    """Of its elements in memory: one that is expanded is read once."""
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= size if stride else 1
    return elements * tensor.element_size()


def tensors(values: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


def product_flops(arguments: Iterable[Any]) -> int:
    """Of a matrix product: 2 · rows · inner · columns, times the batch."""
    left, right = list(tensors(arguments))[-2:]
    return 2 * left.numel() * right.shape[-1]


class Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[Kernel] = Counter()
        self.is_backward = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        op = func.overloadpacket.__name__
        if not func.is_view and op not in VIEWS:
            kind = "product" if op in PRODUCTS else "other"
            flops = product_flops(args) if kind == "product" else 0
            values = [args, kwargs, result]
            if op in PICKS:
                values = [min(tensors([result, args[1:]]), key=torch.Tensor.numel)] * 2
            self.note(op, kind, values, flops)
        return result

    def note(self, op: str, kind: str, values: Any, flops: int = 0) -> None:
        moved = sum(map(bytes_of, tensors(values)))
        self.kernels[Kernel(op, kind, self.is_backward, flops, moved)] += 1


def one_kernel(counting: Counting, kind: str) -> Any:
    """
    What a GPU computes in one kernel and a CPU in several; its result is like its first input.
    Backward it reads inputs and gradient, and writes the gradients of inputs that need one.
    """

    class OneKernel(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: torch.Tensor) -> torch.Tensor:
            result = torch.empty_like(inputs[0])
            counting.note(kind, kind, [inputs, result])
            ctx.save_for_backward(*inputs)
            return result

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> Any:
            inputs = ctx.saved_tensors
            gradients = tuple(
                torch.empty_like(one) if needed else None
                for one, needed in zip(inputs, ctx.needs_input_grad, strict=True)
            )
            counting.note(kind, kind, [inputs, gradient, gradients])
            return gradients

    return OneKernel.apply


def shape_only(model: nn.Module, mode: FakeTensorMode) -> None:
    """Puts tensors of a device, without values, in the place of those of none."""
    made: dict[int, nn.Parameter] = {}

    def fake(tensor: torch.Tensor) -> FakeTensor:
        return FakeTensor(mode, tensor.detach().to("meta"), torch.device("cpu"))

    for module in model.modules():
        for name, value in module._parameters.items():
            if value is None:
                continue
            if id(value) not in made:
                made[id(value)] = nn.Parameter(fake(value), requires_grad=value.requires_grad)
            module._parameters[name] = made[id(value)]
        for name, value in module._buffers.items():
            module._buffers[name] = None if value is None else fake(value)


def open_shapes(fields: dict[str, Any], rank: int, mode: FakeTensorMode) -> PreTrainedModel:
    """As `load_base` and `LoraModel` make it: a frozen base in bfloat16, a lora in float32."""
    config = Qwen3Config(**fields)
    config._attn_implementation = attention.FLEX
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config)
        torch.set_default_dtype(torch.float32)
        base.eval().requires_grad_(False)
        config = LoraConfig(r=rank, lora_alpha=32, target_modules=LINEAR)
        lora = get_peft_model(base, config, ADAPTER)
    fused.fuse(base, ADAPTER)
    shape_only(lora, mode)
    return base


def rows_of(rows: int, prefix: int, prompt: int, completion: int) -> list[Row]:
    """Every row has a first token of its own behind the shared ones."""
    shared = list(range(10, 10 + prefix))
    return [
        Row([*shared, 1000 + number, *range(prompt - 1)], list(range(completion)))
        for number in range(rows)
    ]


def small_mask(owners: torch.Tensor) -> attention.BlockMask:
    """Of the first block: attention is counted by what a mask lets through, not by its blocks."""
    return attention.create_block_mask(
        lambda _batch, _head, query, key: query >= key,
        None,
        None,
        128,
        128,
        device="cpu",
    )


def count(base: PreTrainedModel, rows: list[Row], mode: FakeTensorMode) -> dict[str, Any]:
    seconds = []
    for _ in range(HOST_RUNS):
        started = time.process_time()
        (part,) = split_rows(rows, sys.maxsize)
        packed = pack_rows(part)
        seconds.append(time.process_time() - started)
    counting = Counting()
    attend = one_kernel(counting, "attention")
    norm = one_kernel(counting, "norm")
    saved: dict[int, int] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            saved[storage._cdata] = storage.nbytes()
        return tensor

    with (
        patch.object(attention, "flex_attention", lambda q, k, v, **_: attend(q, k, v)),
        patch.object(attention, "block_mask", small_mask),
        patch.object(fused, "rms_norm", lambda x, _shape, weight, _epsilon: norm(x, weight)),
        saved_tensors_hooks(save, lambda tensor: tensor),
        mode,
        counting,
    ):
        nats = label_losses(label_logits(base, packed), part)
        loss = (nats * label_weights(part, float(len(nats)), base.device)).sum()
        counting.is_backward = True
        loss.backward()
    return {
        "tokens": packed.tokens,
        "labels": sum(packed.label_counts),
        "saved_bytes": sum(saved.values()),
        "host_seconds": min(seconds),
        "kernels": [{**vars(kernel), "count": n} for kernel, n in counting.kernels.items()],
    }


def main() -> None:
    warnings.simplefilter("ignore")
    request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    counted: dict[str, dict[str, Any]] = {}
    for name, fields in request["models"].items():
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        base = open_shapes(fields, request["rank"], mode)
        counted[name] = {
            workload: count(base, rows_of(**sizes), mode)
            for workload, sizes in request["workloads"].items()
        }
    Path(sys.argv[2]).write_text(json.dumps(counted), "utf-8")


if __name__ == "__main__":
    main()
