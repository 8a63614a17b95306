"""
Serving throughput and latency: the full prompt computed anew, the full prompt with the engine's
prefix cache, and the lora that is asked the query alone. All arms in turn, round by round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from contract.backend import Row
from gpu.load import Load, run_load
from gpu.report import Figures, at_least, percentile, ratio, spread
from gpu.server import Engine
from gpu.workload import as_json, query_only

ADAPTED_BAR = 4.2
ArmName = Literal["full", "full_cached", "adapted"]
ARMS: tuple[ArmName, ...] = ("full", "full_cached", "adapted")
#: requests of a run: so many at a time's worth, but never fewer than the least
TURNS = 2
LEAST_REQUESTS = 32


@dataclass(frozen=True)
class Traffic:
    concurrency: Sequence[int] = (1, 32, 256)
    answer_tokens: int = 20
    least_requests: int = LEAST_REQUESTS


@dataclass
class Runs:
    """Of one arm at one concurrency, round by round."""

    loads: list[Load] = field(default_factory=list)

    def latency(self, share: float) -> list[float]:
        """Milliseconds that so many of a round's answers do not exceed."""
        return [1000 * percentile([a.seconds for a in run.answers], share) for run in self.loads]

    def first_token(self, share: float) -> list[float]:
        return [
            1000 * percentile([a.first_token_seconds for a in run.answers], share)
            for run in self.loads
        ]

    def requests_per_second(self) -> list[float]:
        return [len(run.answers) / run.seconds for run in self.loads]

    def tokens_per_second(self) -> list[float]:
        return [sum(a.tokens for a in run.answers) / run.seconds for run in self.loads]


Measured = dict[tuple[ArmName, int], Runs]


def measure(
    engine: Engine,
    lora: str,
    rows: list[Row],
    traffic: Traffic,
    *,
    rounds: int,
    say: Callable[[str], None],
) -> tuple[Measured, dict[str, str]]:
    """Runs by arm and concurrency, and where requests failed, with the reason."""
    bodies = {arm: _bodies(arm, engine.model, lora, rows, traffic.answer_tokens) for arm in ARMS}
    for arm in ARMS:
        # whatever is compiled or loaded at first use, and the prefix into the cache
        run_load(engine, list(itertools.islice(bodies[arm], 2)), 1)
    measured: Measured = {}
    failures: dict[str, str] = {}
    for concurrency in traffic.concurrency:
        count = max(traffic.least_requests, TURNS * concurrency)
        for number in range(1, rounds + 1):
            for arm in ARMS:
                say(f"serving {engine.model}, {concurrency} at a time, round {number}: {arm}")
                load = run_load(engine, list(itertools.islice(bodies[arm], count)), concurrency)
                if load.failures:
                    failures[f"{arm}_c{concurrency}"] = (
                        f"{len(load.failures)} of {count} requests failed: {load.failures[0]}"
                    )
                if load.answers:
                    measured.setdefault((arm, concurrency), Runs()).loads.append(load)
    return measured, failures


def _bodies(arm: ArmName, model: str, lora: str, rows: list[Row], tokens: int) -> Iterator[dict]:
    """Without end; each query differs from the others, as the end users' do."""
    for number, row in enumerate(itertools.cycle(rows)):
        asked = row if arm != "adapted" else query_only(row)
        *before, query = as_json(asked)["messages"][:-1]
        # in front, so that a cache has nothing of the query
        messages = [*before, {**query, "content": f"{number} {query['content']}"}]
        yield {
            "model": lora if arm == "adapted" else model,
            "messages": messages,
            "max_tokens": tokens,
            "temperature": 0,
            "cache_prompt": arm != "full",
        }


def serving_figures(measured: Measured, concurrency: Sequence[int], *, with_bars: bool) -> Figures:
    figures: Figures = {}
    for (arm, level), runs in measured.items():
        name = f"{arm}_c{level}"
        figures |= {
            f"{name}_latency_p50": spread(runs.latency(0.5), "ms"),
            f"{name}_latency_p99": spread(runs.latency(0.99), "ms"),
            f"{name}_first_token_p50": spread(runs.first_token(0.5), "ms"),
            f"{name}_first_token_p99": spread(runs.first_token(0.99), "ms"),
            f"{name}_requests_per_second": spread(runs.requests_per_second(), "requests/s"),
            f"{name}_tokens_per_second": spread(runs.tokens_per_second(), "tokens/s"),
        }
    for level in concurrency:
        adapted = measured.get(("adapted", level))
        for arm in ("full", "full_cached"):
            full = measured.get((arm, level))
            if adapted is None or full is None:
                continue
            faster = ratio(full.latency(0.5), adapted.latency(0.5))
            has_bar = with_bars and arm == "full" and level == 1
            figures[f"adapted_vs_{arm}_c{level}_latency"] = (
                at_least(faster, ADAPTED_BAR) if has_bar else faster
            )
            figures[f"adapted_vs_{arm}_c{level}_first_token"] = ratio(
                full.first_token(0.5), adapted.first_token(0.5)
            )
            figures[f"adapted_vs_{arm}_c{level}_throughput"] = ratio(
                adapted.requests_per_second(), full.requests_per_second()
            )
    return figures
