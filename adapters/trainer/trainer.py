"""
The steps of one training: gradients, AdamW, validation, checkpoints. Knows nothing of processes or
of where loras are kept.

It ends with the final weights and not with those of the lowest validation loss: the learning rate
ends with them, and a next stage goes on from them with the same optimizer. Validation loss is
reported a few times.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from checkpoint import Checkpoint, OptimizerState, Weights, save_checkpoint
from errors import TrainingError
from losses import label_losses, label_weights
from model import LoraModel
from packing import pack_rows, split_rows
from report import Report
from row_outputs import mean_loss
from rows import Row, total_label_weight
from schedule import BETAS, CLIP_NORM, EPSILON, learning_rate_at, validations_due
from task import Task
from token_budget import TokenBudget


class Stopped(Exception):
    """Training was asked to stop and has left a checkpoint."""


class Optimizer:
    """torch's AdamW over a lora's matrices, with a state that has their names."""

    def __init__(self, model: LoraModel, weight_decay: float, state: OptimizerState) -> None:
        self._weights = model.weights
        self._adamw = torch.optim.AdamW(
            model.weights.values(), betas=BETAS, eps=EPSILON, weight_decay=weight_decay
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
        self._optimizer = Optimizer(model, task.weight_decay, start.optimizer)
        self.counters = start.counters

    @property
    def state(self) -> Checkpoint:
        """Weights, optimizer and counters as they are now."""
        weights = self._model.copy_weights()
        return Checkpoint(self.counters, weights, self._optimizer.state)

    def run(self) -> None:
        """
        Trains to the end and leaves a checkpoint of it.

        Raises Stopped after a checkpoint; Replaced; TrainingError `internal` when the loss is not
        finite or memory is too small for a single row, `store-unavailable`.
        """
        counters, task = self.counters, self._task
        before, started = counters.elapsed_seconds, self._now()
        saved = started
        while counters.progress(task, counters.step) < 1:
            if self._asked_to_stop():
                self._save()
                raise Stopped
            numbers = task.batches[counters.step % len(task.batches)]
            loss = self._timed_step([self._rows[number] for number in numbers])
            self._validate_if_due()
            counters.elapsed_seconds = before + self._now() - started
            self._report_to.progress(**counters.report(task, loss))
            if self._now() - saved >= task.checkpoint_seconds:
                self._save()
                saved = self._now()
        self._validate()
        self._save()

    def metrics(self) -> dict[str, float | int | None]:
        """The contract's TrainingMetrics."""
        return self.counters.metrics(peak_memory_bytes(self._model.device))

    def _save(self) -> None:
        self._report_to.check_held()
        save_checkpoint(Path(self._task.checkpoint_dir), self._task.identity, self.state)

    def _timed_step(self, rows: list[Row]) -> float:
        started = self._now()
        loss = self._step(rows)
        self.counters.count_step(loss, self._now() - started)
        return loss

    def _step(self, rows: list[Row]) -> float:
        loss, tokens = self._budget.within(
            rows, partial(self._gradient, rows), free_memory=self._free_memory
        )
        # the middle of the step, so that neither the first nor the last step has rate 0
        progress = self.counters.progress(self._task, self.counters.step + 0.5)
        rate = learning_rate_at(progress, self._task)
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
        if self._model.recomputes:
            return False
        self._model.recompute_activations()
        self._report_to.message("warn", "out of memory: from now on activations are computed twice")
        return True

    def _validate_if_due(self) -> None:
        progress = self.counters.progress(self._task, self.counters.step)
        due = validations_due(progress)
        if due > self.counters.validations and progress < 1:
            self._validate()
            self.counters.validations = due

    def _validate(self) -> None:
        rows = self._validation_rows
        if not rows:
            return
        compute = partial(mean_loss, self._model.label_logits, rows)
        self.counters.valid_loss = self._budget.within(rows, compute)


def peak_memory_bytes(device: torch.device) -> int:
    """The most so far, of the GPU where it computes there, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
