"""
What a lora learns from its teacher, the base model with the whole prompt: the probabilities of the
teacher's likeliest tokens along the logged answers and, where replay is on, along answers that it
draws itself at temperature 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import GenerationConfig

from disk import replace_durably
from errors import TrainingError
from model import LoraModel
from report import Report
from row_outputs import targets_of_rows
from rows import Row, SoftTargets, trusted_targets
from token_budget import TokenBudget

#: tokens a teacher names at each place of an answer
TEACHER_TOKENS = 20
#: rows between two messages about the teacher's progress
TEACHER_ROWS = 128
#: answers between two messages
ANSWERS = 16
REPLAY = "replay.json"

#: row number and the answer's ids with the token that ends it
Answer = tuple[int, list[int]]


def rows_to_learn(
    model: LoraModel,
    rows: Sequence[Row],
    report: Report,
    *,
    budget: TokenBudget,
    replayed_rows: Sequence[int],
    eos_ids: list[int],
    seed: int,
    folder: Path,
) -> list[Row]:
    """
    The rows with the teacher's targets; replayed ones stand behind the logged ones. `folder` keeps
    the teacher's answers for a restart.

    Raises TrainingError `store-unavailable`, `invalid-request` for a row that no teacher reads.
    """
    learned = list(rows)
    read = [_read_by_teacher(row, number) for number, row in enumerate(rows, 1)]
    if replayed_rows:
        drawn = replay_answers(
            model, read, report, replayed_rows, eos_ids=eos_ids, seed=seed, folder=folder
        )
        for number, ids in drawn:
            learned.append(replace(rows[number], completion_ids=ids))
            read.append(replace(read[number], completion_ids=ids))
    targets = _targets(model, read, report, budget)
    for number, row in enumerate(rows):
        # an answer of the teacher's own is trusted to its end
        targets[number] = trusted_targets(targets[number], row.completion_ids)
    return [replace(row, targets=own) for row, own in zip(learned, targets, strict=True)]


def _read_by_teacher(row: Row, number: int) -> Row:
    if row.teacher_prompt_ids is None:
        raise TrainingError(
            "invalid-request", f"row {number} has no prompt for the teacher, but others have one"
        )
    return Row(row.teacher_prompt_ids, row.completion_ids, row.weight)


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


def replay_answers(
    model: LoraModel,
    read: Sequence[Row],
    report: Report,
    replayed_rows: Sequence[int],
    *,
    eos_ids: list[int],
    seed: int,
    folder: Path,
) -> list[Answer]:
    """
    Answers to some rows' prompts, the same for the same seed. They are kept in `folder`: a job that
    goes on, perhaps on another machine, must have the rows that it began with. An answer that is
    longer than every logged one is left out, because it has no end.

    Raises TrainingError `store-unavailable`.
    """
    kept = _kept(folder / REPLAY)
    if kept is not None:
        return kept
    longest = max(len(row.completion_ids) for row in read)
    answers: list[Answer] = []
    for count, number in enumerate(replayed_rows, 1):
        torch.manual_seed(hash((seed, number)) % 2**63)
        ids = _answer(model, read[number].prompt_ids, longest, eos_ids)
        if ids[-1] in eos_ids:
            answers.append((number, ids))
        if count % ANSWERS == 0 or count == len(replayed_rows):
            report.message(
                "info", f"the teacher has answered {count} of {len(replayed_rows)} prompts"
            )
    replace_durably(folder / REPLAY, json.dumps(answers).encode())
    return answers


def _kept(path: Path) -> list[Answer] | None:
    try:
        return [(number, ids) for number, ids in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError):
        return None


def _answer(model: LoraModel, prompt_ids: list[int], longest: int, eos_ids: list[int]) -> list[int]:
    """Ids of one answer; without an end token when it is too long."""
    room = model.base.config.max_position_embeddings - len(prompt_ids)
    config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=max(1, min(longest, room)),
        eos_token_id=eos_ids,
        pad_token_id=eos_ids[0],
    )
    prompt = torch.tensor([prompt_ids], device=model.device)
    with model.without_lora() as base:
        ids = base.generate(
            prompt, attention_mask=torch.ones_like(prompt), generation_config=config
        )
    return ids[0, len(prompt_ids) :].tolist()
