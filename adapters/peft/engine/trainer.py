"""
The steps of one training job. Knows nothing of tokenizers, HTTP, processes or of where loras are
kept.

It ends with the final weights and not with those of the lowest validation loss: the learning rate
ends with them, and a next stage goes on from them with the same optimizer. Validation loss is
reported a few times.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable

import torch

from contract.backend import TrainHooks, TrainProgress
from contract.errors import EngineError
from engine.adamw import AdamW, adamw_step
from engine.checkpoint import Checkpoint, Counters, save_checkpoint
from engine.hyperparameters import learning_rate_at
from engine.lora_model import LoraModel
from engine.lora_store import OptimizerState
from engine.losses import label_losses, label_weights
from engine.packing import pack_rows, split_rows
from engine.row_order import batch_sequence
from engine.row_outputs import losses_of_rows
from engine.rows import TokenizedRow, total_label_weight
from engine.training_job import Job

#: the reported training loss is the mean of so many last steps
RECENT_STEPS = 20
#: progress at which validation runs, besides the end
VALIDATE_AT = (0.25, 0.5, 0.75)


class Stopped(Exception):
    """Training was asked to stop and has left a checkpoint."""


class Trainer:
    """
    `max_tokens` is what one forward and backward pass computes; larger batches are accumulated from
    parts. `asked_to_stop` is looked at before every step.
    """

    def __init__(
        self,
        job: Job,
        model: LoraModel,
        state: Checkpoint,
        hooks: TrainHooks,
        *,
        max_tokens: int,
        checkpoint_seconds: float,
        asked_to_stop: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._model = model
        self._hooks = hooks
        self._max_tokens = max_tokens
        self._checkpoint_seconds = checkpoint_seconds
        self._asked_to_stop = asked_to_stop
        self._now = now
        self.counters: Counters = state.counters
        kept = state.optimizer
        self._optimizer = AdamW(
            kept.step,
            torch.tensor(kept.m, device=model.device),
            torch.tensor(kept.v, device=model.device),
        )

    @property
    def state(self) -> Checkpoint:
        """Weights, optimizer and counters as they are now."""
        optimizer = self._optimizer
        kept = OptimizerState(optimizer.step, optimizer.m.cpu().numpy(), optimizer.v.cpu().numpy())
        return Checkpoint(self.counters, self._model.theta.cpu().numpy(), kept)

    def run(self) -> None:
        """
        Trains to the end and leaves a checkpoint of it.

        Raises Stopped after a checkpoint; EngineError `internal` when the loss is not finite or
        memory is too small for a single row, `store_unavailable`.
        """
        job, counters = self._job, self.counters
        lengths = [row.length for row in job.rows]
        size = int(job.hyperparameters.batch_size)
        batches = batch_sequence(lengths, size, job.seed, counters.step)
        before, started = counters.elapsed_seconds, self._now()
        saved = started
        while self._progress(counters.step) < 1:
            if self._asked_to_stop():
                self._save()
                raise Stopped
            loss = self._timed_step([job.rows[number] for number in next(batches)])
            self._validate_if_due()
            counters.elapsed_seconds = before + self._now() - started
            self._report(loss)
            if self._now() - saved >= self._checkpoint_seconds:
                self._save()
                saved = self._now()
        self._validate()
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
            "peak_memory_bytes": _peak_memory_bytes(self._model.device),
        }

    def _save(self) -> None:
        save_checkpoint(self._job.checkpoint_dir, self._job.identity, self.state)

    def _progress(self, step: float) -> float:
        """Share of the job that is done, by steps or by time, whichever is further."""
        hyperparameters = self._job.hyperparameters
        seconds = hyperparameters.max_seconds
        by_time = self.counters.elapsed_seconds / seconds if seconds else 0
        return min(1.0, max(step / hyperparameters.total_steps, by_time))

    def _timed_step(self, rows: list[TokenizedRow]) -> float:
        counters = self.counters
        started = self._now()
        loss = self._step(rows)
        counters.step += 1
        counters.step_seconds += self._now() - started
        counters.recent_losses = [*counters.recent_losses, loss][-RECENT_STEPS:]
        return loss

    def _step(self, rows: list[TokenizedRow]) -> float:
        loss, tokens = self._gradient_in_memory(rows)
        # the middle of the step, so that neither the first nor the last step has rate 0
        progress = self._progress(self.counters.step + 0.5)
        hyperparameters = self._job.hyperparameters
        norm = adamw_step(
            self._model.theta,
            self._model.gradient,
            self._optimizer,
            learning_rate=learning_rate_at(progress, hyperparameters),
            weight_decay=hyperparameters.weight_decay,
        )
        if not math.isfinite(norm) or not math.isfinite(loss):
            raise EngineError(
                "internal",
                f"training diverged at step {self.counters.step + 1}: loss {loss}, gradient {norm}",
            )
        self.counters.tokens += tokens
        return loss

    def _gradient_in_memory(self, rows: list[TokenizedRow]) -> tuple[float, int]:
        """Smaller parts, as often as memory is too small; the gradient is the same."""
        while True:
            try:
                return self._accumulate(rows)
            except torch.cuda.OutOfMemoryError as error:
                longest = max(row.length for row in rows)
                if self._max_tokens <= longest:
                    raise EngineError(
                        "internal",
                        f"memory is too small for a row of {longest} tokens; "
                        "use gradient checkpointing, a 4-bit base or a smaller model",
                    ) from error
            self._max_tokens //= 2
            torch.cuda.empty_cache()
            self._hooks.on_message(
                "warn",
                f"out of memory: from now on at most {self._max_tokens} tokens at a time",
            )

    def _accumulate(self, rows: list[TokenizedRow]) -> tuple[float, int]:
        """Loss of one batch, and the tokens computed; leaves its gradient in the model."""
        model = self._model
        model.gradient.zero_()
        weight_sum = total_label_weight(rows)
        total, tokens = 0.0, 0
        for part in split_rows(rows, self._max_tokens):
            packed = pack_rows(part)
            nats = label_losses(model.label_logits(packed), part)
            loss = (nats * label_weights(part, weight_sum, model.device)).sum()
            loss.backward()
            total += float(loss.detach())
            tokens += packed.tokens
        return total, tokens

    def _validate_if_due(self) -> None:
        progress = self._progress(self.counters.step)
        due = sum(progress >= at for at in VALIDATE_AT)
        if due > self.counters.validations and progress < 1:
            self._validate()
            self.counters.validations = due

    def _validate(self) -> None:
        rows = self._job.validation_rows
        if rows:
            losses = losses_of_rows(self._model.label_logits, rows, self._max_tokens)
            self.counters.valid_loss = losses.mean

    def _tokens_per_second(self) -> float:
        counters = self.counters
        return counters.tokens / counters.step_seconds if counters.step_seconds > 0 else 0.0

    def _report(self, loss: float) -> None:
        counters = self.counters
        progress = self._progress(counters.step)
        self._hooks.on_progress(
            TrainProgress(
                step=counters.step,
                total_steps=int(self._job.hyperparameters.total_steps),
                tokens_per_second=self._tokens_per_second(),
                train_loss=loss,
                valid_loss=counters.valid_loss,
                eta_seconds=counters.elapsed_seconds / progress * (1 - progress),
            )
        )


def _peak_memory_bytes(device: torch.device) -> int:
    """Of the GPU where it trains there, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
