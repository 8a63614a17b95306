"""bench/gpu.sh: what it counts, and the script itself on a model that is tiny."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from contract.backend import Message
from engine.base_model import open_base_model
from engine.lora_layout import create_lora_layout, init_lora
from engine.lora_model import LoraModel, Placement, load_weights
from engine.losses import label_losses
from engine.packing import pack_rows
from engine.rows import TokenizedRow, shared_prefix_tokens
from engine.seeded_random import seeded_random
from tiny_model import tiny_base

ROOT = Path(__file__).resolve().parent.parent.parent.parent
sys.path.append(str(ROOT / "bench"))

from gpu.arms import ARMS, Training, micro_batches, run_arm  # noqa: E402
from gpu.bench import Bench, BenchFailed  # noqa: E402
from gpu.contract_suite import SuiteFailed, read_result  # noqa: E402
from gpu.flops import Work, packed_work, separate_work, step_flops  # noqa: E402
from gpu.options import parse_options  # noqa: E402
from gpu.peaks import peak_flops  # noqa: E402
from gpu.report import at_least, format_table, not_measured, percentile, ratio, spread  # noqa: E402
from gpu.shapes import SHAPES, write_random_model  # noqa: E402
from gpu.workload import Sizes, make_rows, query_only, tokenized  # noqa: E402

RANK = 4
#: seconds for the script on a busy machine
SCRIPT_SECONDS = 240


def row(prompt: list[int], completion: list[int]) -> TokenizedRow:
    return TokenizedRow(prompt_ids=prompt, completion_ids=completion, weight=1.0)


def test_counts_the_products_that_torch_computes(tmp_path: Path) -> None:
    base = tiny_base(tmp_path)
    weights = load_weights(base, Placement("cpu", "float32"))
    layout = create_lora_layout(base.config, RANK, 2 * RANK)
    model = LoraModel(weights, layout, init_lora(layout, seeded_random(1)), checkpointing=False)
    rows = [row([5, 6, 7, number], [8, 9, 10]) for number in range(20, 24)]
    with FlopCounterMode(display=False) as counter:
        label_losses(model.label_logits(pack_rows(rows)), rows).sum().backward()
    products = {op: n for op, n in counter.get_flop_counts()["Global"].items() if "mm" in str(op)}
    work = separate_work(rows)
    without_attention = Work(work.rows, work.tokens, work.labels, pairs=0)
    assert sum(products.values()) == step_flops(base.config, RANK, without_attention)


def test_counts_the_pairs_that_the_mask_lets_through() -> None:
    shared = list(range(100, 130))
    rows = [row([*shared, number, *range(number)], [1] * (number + 2)) for number in range(4)]
    packed = pack_rows(rows)
    work = packed_work(rows)
    assert packed.mask is not None
    assert (work.tokens, work.labels) == (packed.tokens, len(packed.label_places))
    assert work.pairs == int(packed.mask.sum())
    separate = separate_work(rows)
    assert separate.tokens == sum(one.length - 1 for one in rows)
    assert separate.pairs == sum(int(torch.ones(n, n).tril().sum()) for n in map(_computed, rows))


def _computed(one: TokenizedRow) -> int:
    return one.length - 1


def test_a_step_of_qwen3_4b_costs_what_its_parameters_say() -> None:
    """4 for each weight of the layers, and a little for the lora: 3.6 billion lie there."""
    from engine.model_config import ModelConfig

    shape = SHAPES["qwen3-4b"]
    config = ModelConfig(
        vocab_size=shape["vocab_size"],
        hidden_size=shape["hidden_size"],
        layers=shape["num_hidden_layers"],
        heads=shape["num_attention_heads"],
        kv_heads=shape["num_key_value_heads"],
        head_dim=shape["head_dim"],
        intermediate_size=shape["intermediate_size"],
        rope_theta=1e6,
        rms_norm_eps=1e-6,
        max_positions=40960,
        tied_embeddings=True,
        extras={},
    )
    assert config.parameters == pytest.approx(4.02e9, rel=0.01)
    token = step_flops(config, 16, Work(rows=1, tokens=1, labels=0, pairs=0))
    assert token == pytest.approx(4 * 3.63e9, rel=0.02)


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.4),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L40S", 362.05),
        ("NVIDIA L4", 121),
        ("NVIDIA A10G", None),
        ("a card of tomorrow", None),
    ],
)
def test_knows_a_cards_peak_by_its_name(name: str, tera: float | None) -> None:
    assert peak_flops(name) == (None if tera is None else pytest.approx(tera * 1e12))


def test_figures_have_spread_bar_and_verdict() -> None:
    assert spread([3.0, 1.0, 2.0], "ms").as_dict() == {
        "value": 2.0,
        "unit": "ms",
        "min": 1.0,
        "max": 3.0,
        "runs": 3,
    }
    # round by round: the machine was slow in the second one
    assert ratio([10.0, 40.0], [2.0, 8.0]).value == 5
    assert at_least(spread([4.0], "ratio"), 5).holds is False
    assert at_least(spread([6.0], "ratio"), 5).holds is True
    assert not_measured(5).as_dict()["holds"] is None
    lines = format_table({"a": at_least(spread([6.0, 7.0], "ratio"), 5), "b": not_measured(5)})
    assert ">= 5: held" in lines
    assert ">= 5: not measured" in lines


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50, 99)
    assert percentile([7.0], 0.99) == 7


def test_rows_have_the_lengths_that_were_asked_for(tmp_path: Path) -> None:
    base = tiny_base(tmp_path)
    rows = make_rows(base, Sizes(prefix=100, query=30, answer=12), 4)
    read = tokenized(base, rows)
    assert 100 <= shared_prefix_tokens(read) < 106
    for one in read:
        assert 130 <= len(one.prompt_ids) < 136
        assert 12 <= len(one.completion_ids) < 18
    assert len({tuple(one.prompt_ids) for one in read}) == 4
    assert query_only(rows[0]).messages == rows[0].messages[1:]


def test_a_random_model_opens_and_all_its_tokens_are_text(tmp_path: Path) -> None:
    write_random_model(tmp_path, "tiny", device="cpu", dtype="float32")
    base = open_base_model(tmp_path)
    shape = SHAPES["tiny"]
    assert base.config.layers == shape["num_hidden_layers"]
    assert base.config.rope_theta == 1_000_000
    control = set(base.tokenizer.control_ids.values())
    silent = {n for n in range(shape["vocab_size"]) if not base.tokenizer.decode_bytes(n)}
    assert silent == control
    assert len(base.tokenizer.encode_text("abc d")) == 5
    prompt = base.chat.prompt_ids([Message("user", "a")], default_system=True)
    assert prompt[0] == base.tokenizer.control_ids["<|im_start|>"]


def test_a_batch_is_shared_evenly() -> None:
    rows = [row([1] * 90, [1] * 10)] * 16
    assert micro_batches(rows, 99) == [1]
    assert micro_batches(rows, 799) == [4, 2, 1]
    assert micro_batches(rows, 10_000) == [16, 8, 4, 2, 1]


def test_reads_what_vitest_reports() -> None:
    def one(name: str, status: str, **more: object) -> dict:
        return {"fullName": name, "status": status, "ancestorTitles": ["suite"], **more}

    failed = one("b", "failed", failureMessages=["Error: no\n  at x"])
    tests = [one("a", "passed"), failed, one("c", "skipped")]
    result = read_result({"testResults": [{"assertionResults": tests}]})
    assert {name: figure.value for name, figure in result.figures.items()} == {
        "contract_passed": 1,
        "contract_failed": 1,
        "contract_skipped": 1,
    }
    assert result.figures["contract_failed"].holds is False
    assert result.failures == {"b": "Error: no"}
    assert result.skipped == ["c"]
    with pytest.raises(SuiteFailed, match="no test ran: suite"):
        read_result({"testResults": [{"assertionResults": [one("c", "skipped")]}]})


def test_published_shapes_are_the_default_where_no_model_is_given() -> None:
    assert parse_options([]).shapes == ["qwen3-0.6b", "qwen3-4b", "qwen3-8b"]
    assert parse_options(["--model", "x"]).shapes == []
    with pytest.raises(SystemExit):
        parse_options(["--parts", "cooking"])


def test_it_serves_with_what_the_engine_would_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--device", "cpu", "--model", str(tmp_path / "missing"), "--parts", "serving"]
    options = parse_options(given)
    monkeypatch.setenv("ENGINE_SERVING", "vllm")
    monkeypatch.setenv("ENGINE_VLLM_COMMAND", "/opt/vllm/bin/vllm serve")
    assert "served by vllm" in Bench(options, tmp_path).run().notes
    monkeypatch.setenv("ENGINE_SERVING", "")
    assert "served by transformers" in Bench(options, tmp_path).run().notes
    monkeypatch.setenv("ENGINE_SERVING", "magic")
    with pytest.raises(BenchFailed, match="ENGINE_SERVING is magic"):
        Bench(options, tmp_path)


def test_the_script_measures_and_a_part_that_fails_leaves_the_others(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    # a folder that is there already is taken
    write_random_model(tmp_path / "tiny", "tiny", device="cpu", dtype="float32")
    options = {
        "--device": "cpu",
        "--work-dir": str(tmp_path),
        "--shapes": "tiny",
        "--model": str(tmp_path / "missing"),
        "--parts": "training,serving",
        "--arms": "packed_plain,separate_plain",
        "--rounds": "1",
        "--warmup": "1",
        "--steps": "2",
        "--batch": "4",
        "--prefix-tokens": "100",
        "--query-tokens": "20",
        "--answer-tokens": "4",
        "--concurrency": "1,4",
        "--requests": "4",
        "--out": str(out),
    }
    run = subprocess.run(
        [str(ROOT / "bench" / "gpu.sh"), *(part for pair in options.items() for part in pair)],
        env={**os.environ, "PEFT_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    report = json.loads(out.read_text("utf-8"))
    assert set(report["failures"]) == {"missing_training", "missing_serving"}
    assert "there is no model folder" in report["failures"]["missing_training"]
    figures = report["figures"]
    assert figures["tiny_packing_per_sample_plain"]["value"] > 0
    assert figures["tiny_adapted_vs_full_c4_throughput"]["value"] > 0
    assert figures["tiny_full_cached_c1_first_token_p99"]["unit"] == "ms"
    # four rows of 100 + 20 + 4 tokens and up to a word of four more, the prefix once or four times
    packed, separate = (
        figures[f"tiny_{arm}_plain_tokens_per_second"]["value"]
        / figures[f"tiny_{arm}_plain_samples_per_second"]["value"]
        for arm in ("packed", "separate")
    )
    assert 45 <= packed < 56
    assert 123 <= separate < 134
    # the engine computed these tokens and no others
    assert not any("tokens a step" in note for note in report["notes"])
    assert "random weights in the shape of tiny" in report["notes"]
    assert "served by transformers" in report["notes"]
    # bars are meant for a GPU
    assert figures["best_share_of_peak"] == {
        "value": None,
        "unit": "ratio",
        "bar": ">= 0.4",
        "holds": None,
    }
    assert "packing_per_sample" in run.stdout
    assert "round 1 of 1" in run.stderr


@pytest.mark.skipif(
    importlib.util.find_spec("trl") is None, reason="TRL is not installed (group bench)"
)
def test_trl_trains_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(ROOT / "bench"), str(ROOT / "adapters" / "peft")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    model = tmp_path / "tiny"
    write_random_model(model, "tiny", device="cpu", dtype="float32")
    base = open_base_model(model)
    rows = make_rows(base, Sizes(prefix=40, query=8, answer=4), 4)
    arm = next(arm for arm in ARMS if arm.name == "trl_checkpointed")
    training = Training("cpu", "float32", rank=RANK, warmup=1, steps=2, max_tokens=128)
    sample = run_arm(arm, base, rows, training)
    assert sample.step_seconds > 0
    assert sample.peak_memory_bytes > 2**20
