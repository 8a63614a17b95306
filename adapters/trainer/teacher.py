"""
What a lora learns from its teacher, the base model with the whole prompt: the probabilities of the
teacher's likeliest tokens along the logged answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from model import LoraModel
from report import Report
from row_outputs import targets_of_rows
from rows import Row, SoftTargets, trusted_targets
from token_budget import TokenBudget

#: tokens a teacher names at each place of an answer
TEACHER_TOKENS = 20
#: rows between two messages about the teacher's progress
TEACHER_ROWS = 128


def rows_to_learn(
    model: LoraModel, rows: Sequence[Row], report: Report, budget: TokenBudget
) -> list[Row]:
    """The rows, which all have a prompt for the teacher, with its targets."""
    read = [Row(row.teacher_prompt_ids, row.completion_ids) for row in rows]
    targets = _targets(model, read, report, budget)
    return [
        replace(row, targets=trusted_targets(own, row.completion_ids))
        for row, own in zip(rows, targets, strict=True)
    ]


def _targets(
    model: LoraModel, read: Sequence[Row], report: Report, budget: TokenBudget
) -> list[SoftTargets]:
    targets: dict[int, SoftTargets] = {}
    width = min(TEACHER_TOKENS, model.base.config.vocab_size)
    found = targets_of_rows(model.base_label_logits, read, width=width, budget=budget)
    for number, target in found:
        targets[number] = target
        if len(targets) % TEACHER_ROWS == 0 or len(targets) == len(read):
            report.message("info", f"the teacher has read {len(targets)} of {len(read)} rows")
    return [targets[number] for number in range(len(read))]
