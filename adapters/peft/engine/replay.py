"""
Answers that a teacher makes itself to a share of the prompts, drawn at temperature 1, so that a
lora learns what its teacher says along its own answers too and not along logged ones alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedModel

from contract.backend import TrainHooks
from contract.disk import replace_durably
from engine.base_model import BaseModel
from engine.ranks import Ranks
from engine.rows import TokenizedRow
from engine.seeded_random import derive_seed, seeded_random, shuffled

FILE = "replay.json"
#: stream of the job's seed; its rows and validation rows have others
STREAM = -3
#: answers between two messages
REPORTED = 16

#: row number and the answer's ids with the token that ends it
Answer = tuple[int, list[int]]


def replay_answers(
    base: BaseModel,
    weights: PreTrainedModel,
    rows: Sequence[TokenizedRow],
    hooks: TrainHooks,
    *,
    share: float,
    seed: int,
    folder: Path,
    ranks: Ranks,
) -> list[Answer]:
    """
    Answers to a share of the rows' prompts, the same for the same seed. They are kept in `folder`:
    a job that goes on, perhaps on another machine, must have the rows that it began with. An answer
    that is longer than every logged one is left out, because it has no end.

    Raises EngineError `store_unavailable`.
    """
    kept = ranks.of_leader(_read(folder / FILE))
    if kept is not None:
        return kept
    order = shuffled(list(range(len(rows))), seeded_random(derive_seed(seed, STREAM)))
    chosen = sorted(order[: math.ceil(share * len(rows))])
    longest = max(len(row.completion_ids) for row in rows)
    drawn: list[Answer] = []
    own = ranks.share(chosen)
    asked = _fill_up(own, chosen, ranks.size) if ranks.in_step else own
    for count, number in enumerate(asked, 1):
        torch.manual_seed(derive_seed(derive_seed(seed, STREAM), number))
        ids = _answer(base, weights, rows[number].prompt_ids, longest, in_step=ranks.in_step)
        drawn.append((number, ids))
        if count % REPORTED == 0 or count == len(asked):
            done = min(len(chosen), count * ranks.size)
            hooks.on_message("info", f"the teacher has answered {done} of {len(chosen)} prompts")
    gathered = ranks.gather(drawn[: len(own)])
    answers = [(number, ids) for number, ids in gathered if ids[-1] in base.eos_ids]
    if ranks.leads:
        replace_durably(folder / FILE, [json.dumps(answers).encode()])
    return answers


def _fill_up(own: list[int], chosen: Sequence[int], size: int) -> list[int]:
    """As many as the leader has: one that has fewer must take part, if only for the others."""
    return [*own, *chosen[: math.ceil(len(chosen) / size) - len(own)]]


def _read(path: Path) -> list[Answer] | None:
    try:
        return [(number, ids) for number, ids in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError):
        return None


def _answer(
    base: BaseModel,
    weights: PreTrainedModel,
    prompt_ids: list[int],
    longest: int,
    *,
    in_step: bool,
) -> list[int]:
    """
    Ids of one answer; without an end token when it is too long. `in_step` goes on with passes
    until the longest of all ranks' answers is there.
    """
    config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=max(1, min(longest, base.config.max_positions - len(prompt_ids))),
        eos_token_id=base.eos_ids,
        pad_token_id=base.eos_ids[0],
    )
    prompt = torch.tensor([prompt_ids], device=weights.device)
    ids = weights.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        generation_config=config,
        synced_gpus=in_step,
    )
    return ids[0, len(prompt_ids) :].tolist()
