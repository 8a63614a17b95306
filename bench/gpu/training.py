"""
Training throughput: the engine with and without shared-prefix packing, and TRL's SFTTrainer with
PEFT on the same rows, lora and batch. All arms in turn, round by round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contract.backend import Row
from engine.base_model import BaseModel
from gpu.arms import ARMS, Arm, ArmFailed, Sample, Training, run_arm
from gpu.flops import Work, packed_work, separate_work, step_flops
from gpu.report import Figure, Figures, at_least, ratio, spread
from gpu.workload import tokenized

#: of the card's peak, at this shape
SHARE_OF_PEAK_BAR = 0.4
BAR_SHAPE = "qwen3-4b"
#: time a sample without packing, over the time with it
PACKING_BAR = 5
GIB = 2**30


@dataclass
class Comparison:
    """By the arms' names."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def warnings(self, model: str) -> list[str]:
        """What arms warned of, such as that memory was short, each once."""
        said = (
            f"{model}_{arm}: {warning}"
            for arm, samples in self.samples.items()
            for sample in samples
            for warning in sample.warnings
        )
        return list(dict.fromkeys(said))


def compare(
    base: BaseModel,
    rows: list[Row],
    training: Training,
    *,
    arms: Sequence[Arm],
    rounds: int,
    say: Callable[[str], None],
) -> Comparison:
    """An arm that fails is not tried again and has no samples; the others go on."""
    result = Comparison()
    for number in range(1, rounds + 1):
        for arm in arms:
            if arm.name in result.failures:
                continue
            say(f"training {base.name}, round {number} of {rounds}: {arm.name}")
            try:
                sample = run_arm(arm, base, rows, training)
            except ArmFailed as error:
                result.failures[arm.name] = str(error)
                result.samples.pop(arm.name, None)
            else:
                result.samples.setdefault(arm.name, []).append(sample)
    return result


def training_figures(
    base: BaseModel,
    rows: list[Row],
    rank: int,
    samples: dict[str, list[Sample]],
    *,
    peak: float | None,
    with_bars: bool,
) -> Figures:
    """`peak` in FLOP/s; None for a device whose peak is not known."""
    read = tokenized(base, rows)
    packed, separate = packed_work(read), separate_work(read)
    figures: Figures = {}
    shares: list[Figure] = []
    for arm in ARMS:
        if arm.name not in samples:
            continue
        work = packed if arm.rows == "packed" else separate
        of_arm = _arm_figures(work, step_flops(base.config, rank, work), samples[arm.name], peak)
        figures |= {f"{arm.name}_{what}": figure for what, figure in of_arm.items()}
        if arm.side == "engine" and "share_of_peak" in of_arm:
            shares.append(of_arm["share_of_peak"])
    figures |= _ratios(samples, with_bars)
    if shares:
        best = max(shares, key=lambda figure: figure.value)
        has_bar = with_bars and base.name.lower() == BAR_SHAPE
        figures["best_share_of_peak"] = at_least(best, SHARE_OF_PEAK_BAR) if has_bar else best
    return {f"{base.name}_{name}": figure for name, figure in figures.items()}


def _arm_figures(work: Work, flops: int, samples: list[Sample], peak: float | None) -> Figures:
    seconds = [sample.step_seconds for sample in samples]
    memory = [sample.peak_memory_bytes / GIB for sample in samples]
    figures = {
        "samples_per_second": spread([work.rows / one for one in seconds], "samples/s"),
        "tokens_per_second": spread([work.tokens / one for one in seconds], "tokens/s"),
        "peak_memory": spread(memory, "GiB"),
        "model_tflops": spread([flops / one / 1e12 for one in seconds], "TFLOP/s"),
    }
    if peak is not None:
        figures["share_of_peak"] = spread([flops / one / peak for one in seconds], "share")
    return figures


def _ratios(samples: dict[str, list[Sample]], with_bars: bool) -> Figures:
    """Time a sample, the slower side's over the faster's; all sides' steps have the same rows."""
    figures: Figures = {}
    for memory in ("plain", "checkpointed"):
        packed, separate, trl = (
            [sample.step_seconds for sample in samples.get(f"{side}_{memory}", [])]
            for side in ("packed", "separate", "trl")
        )
        if packed and separate:
            packing = ratio(separate, packed)
            figures[f"packing_per_sample_{memory}"] = (
                at_least(packing, PACKING_BAR) if with_bars else packing
            )
        if packed and trl:
            figures[f"packed_vs_trl_{memory}"] = ratio(trl, packed)
        if separate and trl:
            figures[f"separate_vs_trl_{memory}"] = ratio(trl, separate)
    return figures
