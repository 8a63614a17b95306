"""The parts of `bench/gpu.sh`, and the report that they fill."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import traceback
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import torch

from contract.errors import EngineError
from engine.base_model import open_base_model
from engine.vllm.options import vllm_options
from gpu import machine
from gpu.arms import ARMS, Training
from gpu.contract_suite import run_suite
from gpu.loop import run_loop
from gpu.peaks import peak_flops
from gpu.report import Report, not_measured
from gpu.server import Engine, running_engine, train_lora
from gpu.serving import ADAPTED_BAR, Traffic, measure, serving_figures
from gpu.training import PACKING_BAR, SHARE_OF_PEAK_BAR, compare, training_figures
from gpu.workload import Sizes, as_json, make_rows, query_only

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parent.parent.parent
#: what the project wants of a GPU, by the end of the figures' names
BARS = {
    "best_share_of_peak": SHARE_OF_PEAK_BAR,
    "packing_per_sample": PACKING_BAR,
    "adapted_vs_full_c1_latency": ADAPTED_BAR,
}


class BenchFailed(Exception):
    """Nothing can be measured; with what to do."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _serving_name(device: str) -> str:
    """What the engine would serve with by itself. Raises BenchFailed."""
    try:
        options = vllm_options(os.environ, on_gpu=device == "cuda")
    except EngineError as error:
        raise BenchFailed(error.message) from error
    return "transformers" if options is None else "vllm"


class Bench:
    """Raises BenchFailed where the device or vLLM is missing. `folder` gets what is thrown away."""

    def __init__(self, options: Namespace, folder: Path) -> None:
        if options.device == "cuda" and not torch.cuda.is_available():
            raise BenchFailed("there is no CUDA device; --device cpu tries the script out")
        self._device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._serving_name = _serving_name(self._device)
        self._options = options
        self._folder = folder
        self._sizes = Sizes(options.prefix_tokens, options.query_tokens, options.answer_tokens)
        self._dtype = "bfloat16" if self._device == "cuda" else "float32"
        described = machine.describe_machine(self._device)
        self.report = Report(
            machine=described,
            command=shlex.join(["bench/gpu.sh", *sys.argv[1:]]),
            commit=machine.commit(ROOT),
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        given = options.peak_tflops
        self._peak = peak_flops(described["device"]) if given is None else given * 1e12

    def run(self) -> Report:
        options, parts = self._options, self._options.parts
        self._note_what_runs()
        if "contract" in parts:
            self._part("contract", self._contract)
        for number, source in enumerate((*options.model, *options.shapes)):
            model = self._part(f"{Path(source).name}_weights", self._folder_of, source)
            if model is None:
                continue
            if "training" in parts:
                self._part(f"{model.name}_training", self._training, model)
            if "serving" in parts:
                self._part(f"{model.name}_serving", self._serving, model)
            if "loop" in parts and options.data is not None and number == 0:
                self._part(f"{model.name}_loop", self._loop, model)
        self._name_bars_left_out()
        self._save()
        return self.report

    def _part(self, name: str, measure: Callable[..., Result], *given: Any) -> Result | None:
        """None, with the reason in the report, when it fails."""
        try:
            return measure(*given)
        except Exception as error:  # the others are worth having
            traceback.print_exc()
            self.report.failures[name] = str(error) or repr(error)
            return None
        finally:
            self._save()

    def _save(self) -> None:
        """What took hours is on disk before anything else can fail."""
        if self._options.out is not None:
            self.report.write(self._options.out)

    def _note_what_runs(self) -> None:
        options, notes = self._options, self.report.notes
        if options.shapes:
            notes.append(f"random weights in the shape of {', '.join(options.shapes)}")
        if self._peak is None:
            notes.append(
                f"the peak of {self.report.machine['device']} is not known, so its share is left "
                "out; --peak-tflops gives it"
            )
        if "serving" in options.parts:
            notes.append(f"served by {self._serving_name}")
        if "loop" in options.parts and options.data is None:
            notes.append("the whole loop is left out; --data gives it a task")

    def _folder_of(self, source: Path | str) -> Path:
        """Of a model. Random weights are written by a process, which gives its memory back."""
        if isinstance(source, Path):
            return source.resolve()
        folder = (self._options.work_dir or self._folder) / source
        say(f"random weights in the shape of {source}")
        command = [sys.executable, "-m", "gpu.shapes", source, str(folder)]
        subprocess.run([*command, self._device, self._dtype], check=True)
        return folder

    def _contract(self) -> None:
        say("contract suite")
        result = run_suite(self._folder)
        self.report.figures |= result.figures
        self.report.failures |= result.failures
        self.report.notes += [f"skipped: {name}" for name in result.skipped]

    def _training(self, model: Path) -> None:
        options = self._options
        base = open_base_model(model)
        rows = make_rows(base, self._sizes, options.batch)
        training = Training(
            device=self._device,
            dtype=self._dtype,
            rank=options.rank,
            warmup=options.warmup,
            steps=options.steps,
            max_tokens=options.max_tokens,
        )
        arms = [arm for arm in ARMS if arm.name in options.arms]
        compared = compare(base, rows, training, arms=arms, rounds=options.rounds, say=say)
        self.report.figures |= training_figures(
            base, rows, options.rank, compared.samples, peak=self._peak, with_bars=self._with_bars
        )
        self.report.failures |= {
            f"{base.name}_{arm}": reason for arm, reason in compared.failures.items()
        }
        self.report.notes += compared.warnings(base.name)

    def _serving(self, model: Path) -> None:
        options = self._options
        rows = make_rows(open_base_model(model), self._sizes, options.batch)
        traffic = Traffic(options.concurrency, options.answer_tokens, options.requests)
        with self._engine(model) as engine:
            say(f"a lora on {engine.model}")
            lora = train_lora(engine, [as_json(query_only(row)) for row in rows])
            measured, failures = measure(
                engine, lora, rows, traffic, rounds=options.rounds, say=say
            )
        figures = serving_figures(measured, options.concurrency, with_bars=self._with_bars)
        name = engine.model
        self.report.figures |= {f"{name}_{key}": figure for key, figure in figures.items()}
        self.report.failures |= {f"{name}_{key}": reason for key, reason in failures.items()}

    def _loop(self, model: Path) -> None:
        with self._engine(model) as engine:
            say(f"the whole loop on {self._options.data.name} with {engine.model}")
            options = self._options.loop_options
            figures = run_loop(engine, self._options.data, self._folder, options)
        self.report.figures |= {
            f"{engine.model}_loop_{name}": figure for name, figure in figures.items()
        }

    def _engine(self, model: Path) -> AbstractContextManager[Engine]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        return running_engine(model, folder, {"ENGINE_SERVING": self._serving_name})

    @property
    def _with_bars(self) -> bool:
        """They are meant for a GPU."""
        return self._device == "cuda"

    def _name_bars_left_out(self) -> None:
        figures = self.report.figures
        for name, bar in BARS.items():
            if not any(name in known and figure.bar for known, figure in figures.items()):
                figures[name] = not_measured(bar)
