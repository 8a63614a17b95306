"""Rows that share a prefix are kept apart by FlexAttention as by a dense mask."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch._dynamo.exc import FailOnRecompileLimitHit
from torch._dynamo.testing import CompileCounter

from attention import FLEX, block_mask, choose_attention, compile_flex, fit, why_not_flex
from model import label_logits, load_base
from packing import dense_mask, pack_rows
from rows import Row
from tiny import Recorder, packed_row, write_tiny_model

#: several blocks of 128 tokens, and a last one that is not full
QUESTIONS = [f"Which city has number {number}? {'It is far. ' * 4}" for number in range(12)]
ROWS = [packed_row(question, "Rome") for question in QUESTIONS]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_blocks_and_dense_masks_say_the_same():
    owners = pack_rows(ROWS).owners
    assert len(owners) > 500 and len(owners) % 128
    mask = block_mask(owners)
    dense = torch.zeros(len(owners), len(owners), dtype=torch.bool)
    for query in range(len(owners)):
        places = torch.tensor([query])
        keys = torch.arange(len(owners))
        dense[query] = mask.mask_mod(torch.tensor(0), torch.tensor(0), places, keys)
    assert torch.equal(dense, dense_mask(owners)[0, 0])
    # some blocks are left out although they lie before their queries
    assert mask.sparsity() > 40


@torch.no_grad()
def test_flex_gives_the_logits_of_separate_rows(folder):
    dense = load_base(folder, "cpu", "float32")
    flex = load_base(folder, "cpu", "float32", attention="flex")
    assert flex.config._attn_implementation == FLEX
    packed = pack_rows(ROWS)
    filled, mask = fit(flex, packed)
    assert not isinstance(mask, torch.Tensor) and filled.ids.shape[1] % 128 == 0
    separate = torch.cat([label_logits(dense, pack_rows([row])) for row in ROWS])
    together = label_logits(flex, packed)
    assert float((together - separate).norm() / separate.norm()) <= 1e-5
    # rows without a common prefix need no mask
    short = [Row(row.prompt_ids[i:], row.completion_ids) for i, row in enumerate(ROWS)]
    padded = pack_rows(short)
    assert fit(flex, padded) == (padded, None)
    assert torch.allclose(label_logits(flex, padded), label_logits(dense, padded), atol=1e-5)


@torch.no_grad()
def test_three_compilations_are_enough_for_all_lengths_and_running_out_of_them_is_an_error():
    counter = CompileCounter()
    attend = compile_flex(backend=counter)

    def attended(tokens: int) -> None:
        values = torch.randn(1, 2, tokens, 16)
        attend(values, values, values, block_mask=block_mask(torch.arange(tokens) // 70))

    for blocks in (3, 2, 5, 1, 4):
        attended(128 * blocks)
    assert counter.frame_count == 3
    # with gradients it is one more, which torch by itself computes without compiling at its limit
    limit = torch._dynamo.config.patch(recompile_limit=3)
    with limit, torch.enable_grad(), pytest.raises(FailOnRecompileLimitHit):
        attended(128)


def test_on_the_cpu_and_where_it_does_not_work_dense_attention_is_used(monkeypatch):
    report = Recorder()
    assert choose_attention("cpu", torch.float32, 16, report) == "sdpa"
    assert report.messages == []
    monkeypatch.setattr("attention.why_not_flex", lambda *_: "no C compiler")
    assert choose_attention("cuda", torch.bfloat16, 64, report) == "sdpa"
    assert "no C compiler" in report.messages[0]
    monkeypatch.setattr("attention.why_not_flex", lambda *_: None)
    assert choose_attention("cuda", torch.bfloat16, 64, report) == "flex"


def test_an_attempt_that_fails_gives_the_reason():
    # it has no gradient on the CPU
    assert "CPU" in why_not_flex("cpu", torch.float32, 16)


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_on_a_gpu_it_gives_what_dense_attention_gives(dtype):
    assert why_not_flex("cuda", dtype, 64) is None


@needs_gpu
def test_on_a_gpu_a_model_gives_the_logits_of_separate_rows(folder):
    flex = load_base(folder, "cuda", "float32", attention="flex")
    dense = load_base(folder, "cuda", "float32")
    with torch.no_grad():
        separate = torch.cat([label_logits(dense, pack_rows([row])) for row in ROWS])
        together = label_logits(flex, pack_rows(ROWS))
    assert float((together - separate).norm() / separate.norm()) <= 1e-3
