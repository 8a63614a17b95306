"""
Where a training stands, and what follows from that: its learning rate, its validations, what it
reports. Knows no tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from task import Task

#: the reported training loss is the mean of so many last steps
RECENT_STEPS = 20
#: progress at which validation runs, besides the end
VALIDATE_AT = (0.25, 0.5, 0.75)
#: AdamW's, and the L2 norm to which the gradient is scaled down
BETAS = (0.9, 0.999)
EPSILON = 1e-8
CLIP_NORM = 1.0


@dataclass
class Counters:
    """Where a training stands; seconds are of all its runs together."""

    #: optimizer steps done
    step: int = 0
    elapsed_seconds: float = 0.0
    #: spent in steps, without validation
    step_seconds: float = 0.0
    tokens: int = 0
    recent_losses: list[float] = field(default_factory=list)
    valid_loss: float | None = None
    validations: int = 0

    def progress(self, task: Task, step: float) -> float:
        """Share of the job that is done at a step, by steps or by time, whichever is further."""
        by_time = self.elapsed_seconds / task.max_seconds if task.max_seconds else 0
        return min(1.0, max(step / task.total_steps, by_time))

    def count_step(self, loss: float, seconds: float) -> None:
        self.step += 1
        self.step_seconds += seconds
        self.recent_losses = [*self.recent_losses, loss][-RECENT_STEPS:]

    def report(self, task: Task, loss: float) -> dict[str, Any]:
        """The fields of a line of progress."""
        progress = self.progress(task, self.step)
        return {
            "step": self.step,
            "total_steps": task.total_steps,
            "tokens_per_second": self._tokens_per_second(),
            "train_loss": loss,
            "valid_loss": self.valid_loss,
            "eta_seconds": self.elapsed_seconds / progress * (1 - progress),
        }

    def metrics(self, peak_memory_bytes: int) -> dict[str, float | int | None]:
        """The contract's TrainingMetrics."""
        recent = self.recent_losses
        return {
            "steps": self.step,
            "seconds": self.elapsed_seconds,
            "tokens_per_second": self._tokens_per_second(),
            "train_loss": sum(recent) / (len(recent) or 1),
            "valid_loss": self.valid_loss,
            "peak_memory_bytes": peak_memory_bytes,
        }

    def _tokens_per_second(self) -> float:
        return self.tokens / self.step_seconds if self.step_seconds > 0 else 0.0


def learning_rate_at(progress: float, task: Task) -> float:
    """
    Half a cosine from the peak to 0 over the whole internalization, of which a job covers
    `schedule_span`; each job warms up linearly on its own.

    `progress` is that of this job, 0 to 1.
    """
    from_share, to_share = task.schedule_span
    warmup = task.warmup_ratio
    cosine = (1 + math.cos(math.pi * (from_share + (to_share - from_share) * progress))) / 2
    return task.learning_rate * cosine * (progress / warmup if progress < warmup else 1)


def validations_due(progress: float) -> int:
    """How many there should have been by now, without the one at the end."""
    return sum(progress >= at for at in VALIDATE_AT)
