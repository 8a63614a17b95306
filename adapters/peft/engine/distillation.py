"""
What a lora learns from its teacher, the base model with the whole prompt: the probabilities of the
teacher's likeliest tokens along the logged answers and, where replay is on, along answers that it
makes itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel

from contract.backend import Row, TrainHooks
from engine.base_model import BaseModel
from engine.lora_model import label_logits
from engine.ranks import Ranks
from engine.rendering import student_row, teacher_row
from engine.replay import replay_answers
from engine.row_outputs import targets_of_rows
from engine.rows import SoftTargets, TokenizedRow, check_rows, trusted_targets
from engine.token_budget import TokenBudget

#: tokens a teacher names at each place of an answer
TEACHER_TOKENS = 20
#: rows between two messages about the teacher's progress
TEACHER_ROWS = 128


class Distillation:
    """`weights` are the base model's, before they carry a lora."""

    def __init__(
        self,
        base: BaseModel,
        weights: PreTrainedModel,
        hooks: TrainHooks,
        *,
        budget: TokenBudget,
        ranks: Ranks,
    ) -> None:
        self._base = base
        self._weights = weights
        self._hooks = hooks
        self._budget = budget
        self._ranks = ranks

    def rows_to_learn(
        self, rows: Sequence[Row], *, replay_share: float, seed: int, folder: Path
    ) -> list[TokenizedRow]:
        """
        The student's rows with the teacher's targets; replayed ones stand behind the logged ones.
        `folder` keeps the teacher's answers for a restart.

        Raises EngineError `invalid_request` for a row without `teacher_messages`,
        `context_length_exceeded`, `store_unavailable`.
        """
        chat = self._base.chat
        learned = [student_row(chat, row) for row in rows]
        read = [teacher_row(chat, row) for row in rows]
        check_rows(read, self._base.config.max_positions)
        if replay_share > 0:
            answers = replay_answers(
                self._base,
                self._weights,
                read,
                self._hooks,
                share=replay_share,
                seed=seed,
                folder=folder,
                ranks=self._ranks,
            )
            for number, ids in answers:
                learned.append(replace(learned[number], completion_ids=ids))
                read.append(replace(read[number], completion_ids=ids))
        targets = self._targets(read)
        for number in range(len(rows)):
            # an answer of the teacher's own is trusted to its end
            targets[number] = trusted_targets(targets[number], read[number].completion_ids)
        return [replace(row, targets=own) for row, own in zip(learned, targets, strict=True)]

    def _targets(self, read: Sequence[TokenizedRow]) -> list[SoftTargets]:
        own = self._ranks.share(read)
        targets: dict[int, SoftTargets] = {}
        width = min(TEACHER_TOKENS, self._base.config.vocab_size)
        found = targets_of_rows(
            lambda packed: label_logits(self._weights, packed),
            own,
            width=width,
            budget=self._budget,
        )
        for number, target in found:
            targets[number] = target
            if len(targets) % TEACHER_ROWS == 0 or len(targets) == len(own):
                # as many have been read by each of the others
                count = min(len(read), len(targets) * self._ranks.size)
                message = f"the teacher has read {count} of {len(read)} rows"
                self._hooks.on_message("info", message)
        return self._ranks.gather([targets[number] for number in range(len(own))])
