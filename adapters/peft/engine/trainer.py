"""
The steps of one training job. Knows nothing of tokenizers, HTTP, processes or of where loras are
kept.

It ends with the final weights and not with those of the lowest validation loss: the learning rate
ends with them, and a next stage goes on from them with the same optimizer. A job with a patience,
which only a last stage has, ends with the best weights, and before its time when validation finds
no better ones. Validation loss is reported a few times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from contract.backend import TrainHooks, TrainProgress
from contract.errors import EngineError
from engine.adamw import AdamW, adamw_step
from engine.batch_gradient import accumulate_gradient
from engine.best_weights import after_validation
from engine.checkpoint import Checkpoint, Counters, save_checkpoint
from engine.hyperparameters import learning_rate_at
from engine.lora_model import LoraModel
from engine.lora_store import OptimizerState
from engine.peak_memory import peak_memory_bytes
from engine.ranks import Ranks
from engine.row_order import batch_sequence
from engine.rows import MIN_PREFIX_TOKENS, TokenizedRow, total_label_weight
from engine.token_budget import TokenBudget
from engine.training_job import Job
from engine.validation import validation_loss, validations_due

#: the reported training loss is the mean of so many last steps
RECENT_STEPS = 20


class Stopped(Exception):
    """Training was asked to stop and has left a checkpoint."""


class Trainer:
    """
    `budget` is what one forward and backward pass computes; larger batches are accumulated from
    parts. `asked_to_stop` is looked at before every step. Of several `ranks` the leader writes.
    A step computes prefixes that rows share once, from `min_prefix_tokens` on.
    """

    def __init__(
        self,
        job: Job,
        model: LoraModel,
        state: Checkpoint,
        hooks: TrainHooks,
        *,
        budget: TokenBudget,
        checkpoint_seconds: float,
        asked_to_stop: Callable[[], bool],
        ranks: Ranks | None = None,
        min_prefix_tokens: int = MIN_PREFIX_TOKENS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._job = job
        self._model = model
        self._hooks = hooks
        self._budget = budget
        self._checkpoint_seconds = checkpoint_seconds
        self._asked_to_stop = asked_to_stop
        self._ranks = ranks or Ranks()
        self._min_prefix_tokens = min_prefix_tokens
        self._now = now
        self.counters: Counters = state.counters
        self._best = state.best
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
        return Checkpoint(self.counters, self._theta(), kept, self._best)

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
        while self._progress(counters.step) < 1 and not counters.ended_early:
            if self._ranks.any(self._asked_to_stop()):
                self._save()
                raise Stopped
            loss = self._timed_step([job.rows[number] for number in next(batches)])
            self._validate_if_due()
            counters.elapsed_seconds = self._ranks.of_leader(before + self._now() - started)
            self._report(loss)
            if self._now() - saved >= self._checkpoint_seconds:
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
        if self._ranks.leads:
            save_checkpoint(self._job.checkpoint_dir, self._job.identity, self.state)

    def _theta(self) -> np.ndarray:
        return self._model.theta.cpu().numpy()

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
        loss, tokens = self._gradient(rows)
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

    def _gradient(self, rows: list[TokenizedRow]) -> tuple[float, int]:
        """Loss of a batch, and the tokens computed; leaves its gradient in the model."""
        own = self._ranks.share(rows)
        weight_sum = total_label_weight(rows)
        compute = partial(
            accumulate_gradient,
            self._model,
            own,
            weight_sum,
            self._ranks,
            self._min_prefix_tokens,
        )
        loss, tokens = self._ranks.totals(*self._budget.within(own, compute, self._free_memory))
        self._ranks.add_up(self._model.gradient)
        return loss, int(tokens)

    def _free_memory(self) -> bool:
        is_freed = self._model.free_memory()
        if is_freed:
            self._hooks.on_message(
                "warn", "out of memory: from now on activations are computed twice"
            )
        return is_freed

    def _validate_if_due(self) -> None:
        progress, patience = self._progress(self.counters.step), self._job.patience
        due = validations_due(progress, patience)
        if due > self.counters.validations and progress < 1:
            self._validate()
            self.counters.validations = due
            self.counters.ended_early = self._best is not None and self._best.misses >= patience

    def _validate(self) -> None:
        rows = self._job.validation_rows
        if not rows:
            return
        loss = validation_loss(self._model.label_logits, rows, self._budget, self._ranks)
        self.counters.valid_loss = loss
        if self._job.patience:
            self._best = after_validation(
                self._best, loss, self.counters.step, self._theta().copy()
            )

    def _keep_best(self) -> None:
        best, counters = self._best, self.counters
        if best is None:
            return
        if best.step < counters.step:
            ended = f"stopped early at step {counters.step}: " if counters.ended_early else ""
            self._hooks.on_message(
                "info",
                f"{ended}the validation loss was lowest at step {best.step} ({best.loss:.4f}), "
                "whose weights are kept",
            )
        self._model.theta.copy_(torch.from_numpy(best.theta))
        counters.valid_loss = best.loss

    def _tokens_per_second(self) -> float:
        counters = self.counters
        return counters.tokens / counters.step_seconds if counters.step_seconds > 0 else 0.0

    def _report(self, loss: float) -> None:
        counters = self.counters
        progress = 1.0 if counters.ended_early else self._progress(counters.step)
        planned = int(self._job.hyperparameters.total_steps)
        self._hooks.on_progress(
            TrainProgress(
                step=counters.step,
                # the last step is one that is reported in any case
                total_steps=counters.step if counters.ended_early else planned,
                tokens_per_second=self._tokens_per_second(),
                train_loss=loss,
                valid_loss=counters.valid_loss,
                eta_seconds=counters.elapsed_seconds / progress * (1 - progress),
            )
        )
