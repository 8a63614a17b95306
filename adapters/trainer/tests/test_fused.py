"""Kernels that do the work of several give the numbers of transformers and PEFT."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from model import LoraModel, label_logits, load_base
from packing import pack_rows
from tiny import ROWS, packed_row, write_start, write_tiny_model

PACKED = [packed_row(question, "Rome") for question in ("Which?", "Where is it?", "And now?")]


def gradients(parameters: list[torch.Tensor], logits: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(logits.float().square().mean(), parameters)
    return torch.cat([one.flatten() for one in found])


def differs(found: torch.Tensor, right: torch.Tensor) -> float:
    return float((found.float() - right.float()).norm() / right.float().norm())


@pytest.mark.parametrize("family", ["Llama", "Mistral", "Qwen2", "Qwen3"])
@pytest.mark.parametrize(("dtype", "most"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_logits_and_gradients_are_those_of_peft(tmp_path: Path, family, dtype, most):
    folder = write_tiny_model(tmp_path / "model", family=family)
    start = write_start(tmp_path / "start", folder, spread=0.05)
    lora = LoraModel(load_base(folder, "cpu", dtype), start)
    mine = list(lora.weights.values())
    assert {one.dtype for one in mine} == {torch.float32} and len(mine) == 28
    own = [(lora.label_logits(pack_rows(rows))) for rows in (ROWS, PACKED)]
    found = [(logits.detach(), gradients(mine, logits)) for logits in own]
    without = lora.base_label_logits(pack_rows(ROWS)).detach()

    # as the libraries have it, in float32 whatever the other computes in
    importlib.reload(sys.modules[type(lora.base).__module__])
    base = AutoModelForCausalLM.from_pretrained(folder)
    right = PeftModel.from_pretrained(base, str(start), is_trainable=True)
    theirs = [one for one in right.parameters() if one.requires_grad]
    for (logits, gradient), rows in zip(found, (ROWS, PACKED), strict=True):
        expected = label_logits(base, pack_rows(rows))
        assert differs(logits, expected.detach()) <= most
        assert differs(gradient, gradients(theirs, expected)) <= most
    with right.disable_adapter():
        assert differs(without, label_logits(base, pack_rows(ROWS)).detach()) <= most
