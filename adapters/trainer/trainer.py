"""
The steps of one training: gradients, AdamW, validation, checkpoints. Knows nothing of processes or
of where loras are kept.

It ends with the final weights and not with those of the lowest validation loss: the learning rate
ends with them, and a next stage goes on from them with the same optimizer. A job with a patience,
which only a last stage has, ends with the best weights, and before its time when validation finds
no better ones. Validation loss is reported a few times.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from checkpoint import (
    Checkpoint,
    OptimizerState,
    Weights,
    after_validation,
    save_checkpoint,
)
from errors import TrainingError
from losses import label_losses, label_weights
from model import LoraModel
from packing import pack_rows, split_rows
from report import Report
from row_outputs import losses_of_rows
from rows import Row, total_label_weight
from task import Task
from token_budget import TokenBudget

#: the reported training loss is the mean of so many last steps
RECENT_STEPS = 20
#: progress at which validation runs, besides the end
VALIDATE_AT = (0.25, 0.5, 0.75)
#: the same where it may end the job
VALIDATE_WITH_PATIENCE_AT = tuple(tenth / 10 for tenth in range(1, 10))
#: the gradient is scaled down to this L2 norm
CLIP_NORM = 1.0


class Stopped(Exception):
    """Training was asked to stop and has left a checkpoint."""


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


def validations_due(progress: float, patience: int) -> int:
    """How many there should have been by now, without the one at the end."""
    return sum(progress >= at for at in (VALIDATE_WITH_PATIENCE_AT if patience else VALIDATE_AT))


class Optimizer:
    """torch's AdamW over a lora's matrices, with a state that has their names."""

    def __init__(self, model: LoraModel, weight_decay: float, state: OptimizerState) -> None:
        self._weights = model.weights
        self._adamw = torch.optim.AdamW(
            model.weights.values(), betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay
        )
        self._step = state.step
        if state.step == 0:
            return
        for name, parameter in model.weights.items():
            self._adamw.state[parameter] = {
                "step": torch.tensor(float(state.step)),
                "exp_avg": state.m[name].to(parameter.device, copy=True),
                "exp_avg_sq": state.v[name].to(parameter.device, copy=True),
            }

    def step(self, learning_rate: float) -> float:
        """The gradient's norm before it is clipped; not finite means that nothing was changed."""
        norm = float(torch.nn.utils.clip_grad_norm_(self._weights.values(), CLIP_NORM))
        if math.isfinite(norm):
            for group in self._adamw.param_groups:
                group["lr"] = learning_rate
            self._adamw.step()
            self._step += 1
        return norm

    @property
    def state(self) -> OptimizerState:
        return OptimizerState(self._step, self._moments("exp_avg"), self._moments("exp_avg_sq"))

    def _moments(self, name: str) -> Weights:
        return {
            weight: self._adamw.state[parameter].get(name, torch.zeros_like(parameter)).cpu()
            for weight, parameter in self._weights.items()
        }


class Trainer:
    """
    `budget` is what one forward and backward pass computes; larger batches are accumulated from
    parts. `asked_to_stop` is looked at before every step. The model has the checkpoint's weights.
    """

    def __init__(
        self,
        task: Task,
        rows: Sequence[Row],
        validation_rows: Sequence[Row],
        model: LoraModel,
        start: Checkpoint,
        report: Report,
        *,
        budget: TokenBudget,
        asked_to_stop: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task = task
        self._rows = rows
        self._validation_rows = validation_rows
        self._model = model
        self._report_to = report
        self._budget = budget
        self._asked_to_stop = asked_to_stop
        self._now = now
        ends_here = not task.continues and bool(validation_rows)
        self._patience = task.early_stop_patience if ends_here else 0
        self._optimizer = Optimizer(model, task.weight_decay, start.optimizer)
        self._best = start.best
        self.counters = start.counters

    @property
    def state(self) -> Checkpoint:
        """Weights, optimizer and counters as they are now."""
        weights = self._model.copy_weights()
        return Checkpoint(self.counters, weights, self._optimizer.state, self._best)

    def run(self) -> None:
        """
        Trains to the end and leaves a checkpoint of it.

        Raises Stopped after a checkpoint; TrainingError `internal` when the loss is not finite or
        memory is too small for a single row, `store-unavailable`.
        """
        counters, batches = self.counters, self._task.batches
        before, started = counters.elapsed_seconds, self._now()
        saved = started
        while self._progress(counters.step) < 1 and not counters.ended_early:
            if self._asked_to_stop():
                self._save()
                raise Stopped
            numbers = batches[counters.step % len(batches)]
            # a replayed answer that had no end is not there
            rows = [self._rows[number] for number in numbers if number < len(self._rows)]
            loss = self._timed_step(rows)
            self._validate_if_due()
            counters.elapsed_seconds = before + self._now() - started
            self._report(loss)
            if self._now() - saved >= self._task.checkpoint_seconds:
                self._save()
                saved = self._now()
        if not counters.ended_early:
            self._validate()
        self._keep_best()
        self._save()

    def metrics(self) -> dict[str, float | int | None]:
        """The contract's TrainingMetrics."""
        counters = self.counters
        recent = counters.recent_losses
        return {
            "steps": counters.step,
            "seconds": counters.elapsed_seconds,
            "tokens_per_second": self._tokens_per_second(),
            "train_loss": sum(recent) / (len(recent) or 1),
            "valid_loss": counters.valid_loss,
            "peak_memory_bytes": peak_memory_bytes(self._model.device),
        }

    def _save(self) -> None:
        save_checkpoint(Path(self._task.checkpoint_dir), self._task.identity, self.state)

    def _progress(self, step: float) -> float:
        """Share of the job that is done, by steps or by time, whichever is further."""
        seconds = self._task.max_seconds
        by_time = self.counters.elapsed_seconds / seconds if seconds else 0
        return min(1.0, max(step / self._task.total_steps, by_time))

    def _timed_step(self, rows: list[Row]) -> float:
        counters = self.counters
        started = self._now()
        loss = self._step(rows)
        counters.step += 1
        counters.step_seconds += self._now() - started
        counters.recent_losses = [*counters.recent_losses, loss][-RECENT_STEPS:]
        return loss

    def _step(self, rows: list[Row]) -> float:
        loss, tokens = self._budget.within(
            rows, partial(self._gradient, rows), free_memory=self._free_memory
        )
        # the middle of the step, so that neither the first nor the last step has rate 0
        rate = learning_rate_at(self._progress(self.counters.step + 0.5), self._task)
        norm = self._optimizer.step(rate)
        if not math.isfinite(norm) or not math.isfinite(loss):
            raise TrainingError(
                "internal",
                f"training diverged at step {self.counters.step + 1}: loss {loss}, gradient {norm}",
            )
        self.counters.tokens += tokens
        return loss

    def _gradient(self, rows: list[Row], max_tokens: int) -> tuple[float, int]:
        """Loss of a batch, and the tokens computed; leaves its gradient in the model."""
        for parameter in self._model.weights.values():
            parameter.grad = None
        weight_sum = total_label_weight(rows)
        losses, tokens = [], 0
        for part in split_rows(rows, max_tokens):
            packed = pack_rows(part)
            nats = label_losses(self._model.label_logits(packed), part)
            loss = (nats * label_weights(part, weight_sum, self._model.device)).sum()
            loss.backward()
            # read at the end: until then the next part is packed while a GPU computes this one
            losses.append(loss.detach())
            tokens += packed.tokens
        return sum(map(float, losses)), tokens

    def _free_memory(self) -> bool:
        may_recompute = self._task.gradient_checkpointing is None and not self._model.recomputes
        if may_recompute:
            self._model.recompute_activations()
            self._report_to.message(
                "warn", "out of memory: from now on activations are computed twice"
            )
        return may_recompute

    def _validate_if_due(self) -> None:
        progress = self._progress(self.counters.step)
        due = validations_due(progress, self._patience)
        if due > self.counters.validations and progress < 1:
            self._validate()
            self.counters.validations = due
            best = self._best
            self.counters.ended_early = best is not None and best.misses >= self._patience

    def _validate(self) -> None:
        rows = self._validation_rows
        if not rows:
            return
        compute = partial(losses_of_rows, self._model.label_logits, rows)
        loss = self._budget.within(rows, compute).mean
        self.counters.valid_loss = loss
        if self._patience:
            weights = self._model.copy_weights()
            self._best = after_validation(self._best, loss, self.counters.step, weights)

    def _keep_best(self) -> None:
        best, counters = self._best, self.counters
        if best is None:
            return
        if best.step < counters.step:
            ended = f"stopped early at step {counters.step}: " if counters.ended_early else ""
            self._report_to.message(
                "info",
                f"{ended}the validation loss was lowest at step {best.step} ({best.loss:.4f}), "
                "whose weights are kept",
            )
        self._model.set_weights(best.weights)
        counters.valid_loss = best.loss

    def _tokens_per_second(self) -> float:
        counters = self.counters
        return counters.tokens / counters.step_seconds if counters.step_seconds > 0 else 0.0

    def _report(self, loss: float) -> None:
        counters = self.counters
        progress = 1.0 if counters.ended_early else self._progress(counters.step)
        self._report_to.progress(
            step=counters.step,
            # the last step is one that is reported in any case
            total_steps=counters.step if counters.ended_early else self._task.total_steps,
            tokens_per_second=self._tokens_per_second(),
            train_loss=loss,
            valid_loss=counters.valid_loss,
            eta_seconds=counters.elapsed_seconds / progress * (1 - progress),
        )


def peak_memory_bytes(device: torch.device) -> int:
    """The most so far, of the GPU where it computes there, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
