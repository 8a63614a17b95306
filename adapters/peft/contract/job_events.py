"""
Writes a job's events, thinned out so that a long training leaves a bounded file. Knows nothing of
the queue.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contract.backend import TrainProgress
from contract.job_store import JobStore
from contract.log import Log

METRICS_PER_INTERVAL = 500


@dataclass(frozen=True)
class EventOptions:
    store: JobStore
    now: Callable[[], float]
    """seconds since the epoch"""
    log: Log
    metrics_interval: float = 1.0
    """seconds, the shortest time between two metrics events; doubles after every 500 of them"""
    max_events: int = 5000
    """a writer writes no more than these, but for events that must not be missed"""


def finite(value: float | int | None) -> float | int | None:
    """JSON has no NaN: what training could not compute is null."""
    return value if value is not None and math.isfinite(value) else None


def _metrics_data(progress: TrainProgress) -> dict[str, float | int | None]:
    return {
        "step": progress.step,
        "total_steps": progress.total_steps,
        "tokens_per_second": finite(progress.tokens_per_second),
        "train_loss": finite(progress.train_loss),
        "valid_loss": finite(progress.valid_loss),
        "eta_seconds": finite(progress.eta_seconds),
    }


class EventWriter:
    """Events are a report, not a record: one that cannot be written is logged and missed."""

    def __init__(self, options: EventOptions, job_id: str) -> None:
        self._options = options
        self._job_id = job_id
        self._written = 0
        self._metrics_written = 0
        self._last_metrics_at = -math.inf

    async def message(self, level: str, text: str, always: bool = False) -> None:
        """`always`: written even when the writer has its full number of events."""
        if always or self._written < self._options.max_events:
            await self._append({"level": level, "type": "message", "message": text})

    async def metrics(self, progress: TrainProgress) -> bool:
        """Whether the progress was due."""
        doublings = self._metrics_written // METRICS_PER_INTERVAL
        interval = self._options.metrics_interval * 2**doublings
        has_room = self._written < self._options.max_events
        is_due = has_room and self._options.now() - self._last_metrics_at >= interval
        if not is_due and progress.step < progress.total_steps:
            return False
        self._last_metrics_at = self._options.now()
        self._metrics_written += 1
        step = f"Step {progress.step}/{progress.total_steps}"
        message = f"{step}: training loss {progress.train_loss:.4f}"
        event = {"level": "info", "type": "metrics", "message": message}
        await self._append({**event, "data": _metrics_data(progress)})
        return True

    async def _append(self, event: dict[str, Any]) -> None:
        self._written += 1
        created_at = int(self._options.now())
        head = {"object": "fine_tuning.job.event", "created_at": created_at}
        try:
            await self._options.store.append_event(self._job_id, {**head, **event})
        except OSError as error:
            fields = {"job": self._job_id, "error": str(error)}
            self._options.log("warn", "job event cannot be written", fields)
