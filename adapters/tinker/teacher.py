"""
What a lora learns from its teacher, the base model with the whole prompt: its likeliest tokens
along the logged answers. Each row is paid once: what has been read is in the job's folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import shared  # noqa: F401
import tinker
from job import unexpected
from report import Report
from rows import Row, SoftTargets, trusted_targets

#: tokens a teacher names at each place of an answer
TEACHER_TOKENS = 20
#: rows that the provider is asked for at a time
AT_A_TIME = 64
FILE = "teacher.jsonl"

#: an answer when it is there; raises when the job is stopped
Wait = Callable[[Any], Any]


def rows_to_learn(
    client: Any, rows: Sequence[Row], folder: Path, wait: Wait, report: Report
) -> list[Row]:
    """
    The rows with the teacher's targets.

    Raises TrainingError `internal` for an answer of another form, `store-unavailable`.
    """
    known = _read(folder / FILE, rows)
    missing = [number for number in range(len(rows)) if number not in known]
    for start in range(0, len(missing), AT_A_TIME):
        asked = missing[start : start + AT_A_TIME]
        answers = [_ask(client, rows[number]) for number in asked]
        for number, answer in zip(asked, answers, strict=True):
            known[number] = _targets(wait(answer), rows[number])
            _note(folder / FILE, number, known[number])
        report.message("info", f"the teacher has read {len(known)} of {len(rows)} rows")
    return [
        replace(row, targets=trusted_targets(known[number], row.completion_ids))
        for number, row in enumerate(rows)
    ]


def _ask(client: Any, row: Row) -> Any:
    return client.sample(
        prompt=tinker.ModelInput.from_ints([*(row.teacher_prompt_ids or []), *row.completion_ids]),
        num_samples=1,
        sampling_params=tinker.SamplingParams(max_tokens=1, temperature=0.0),
        include_prompt_logprobs=True,
        topk_prompt_logprobs=TEACHER_TOKENS,
    )


def _targets(answer: Any, row: Row) -> SoftTargets:
    count = len(row.completion_ids)
    named = answer.topk_prompt_logprobs
    if named is None or len(named) != len(row.teacher_prompt_ids or []) + count:
        raise unexpected("no likeliest tokens of the prompt")
    own = named[-count:]
    if any(not place for place in own):
        raise unexpected("no likeliest tokens at a place of the prompt")
    ids = np.zeros((count, TEACHER_TOKENS), dtype=np.int64)
    probabilities = np.zeros((count, TEACHER_TOKENS), dtype=np.float32)
    for place, tokens in enumerate(own):
        best = sorted(tokens, key=lambda one: -one[1])[:TEACHER_TOKENS]
        ids[place, : len(best)] = [token for token, _ in best]
        probabilities[place, : len(best)] = np.exp([logprob for _, logprob in best])
    return SoftTargets(ids, probabilities)


def _note(path: Path, number: int, targets: SoftTargets) -> None:
    line = [number, targets.ids.tolist(), targets.probabilities.tolist()]
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line)}\n")


def _read(path: Path, rows: Sequence[Row]) -> dict[int, SoftTargets]:
    """The half line of a process that died is no line."""
    known: dict[int, SoftTargets] = {}
    if not path.exists():
        return known
    lines = path.read_text("utf-8").split("\n")
    if lines[-1]:
        path.write_text("".join(f"{line}\n" for line in lines[:-1]), "utf-8")
    for line in lines[:-1]:
        number, ids, probabilities = json.loads(line)
        if len(ids) == len(rows[number].completion_ids):
            targets = SoftTargets(np.array(ids, np.int64), np.array(probabilities, np.float32))
            known[number] = targets
    return known
