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
    for count, number in enumerate(own, 1):
        torch.manual_seed(derive_seed(derive_seed(seed, STREAM), number))
        drawn.append((number, _answer(base, weights, rows[number].prompt_ids, longest)))
        if count % REPORTED == 0 or count == len(own):
            done = min(len(chosen), count * ranks.size)
            hooks.on_message("info", f"the teacher has answered {done} of {len(chosen)} prompts")
    answers = [(number, ids) for number, ids in ranks.gather(drawn) if ids[-1] in base.eos_ids]
    if ranks.leads:
        replace_durably(folder / FILE, [json.dumps(answers).encode()])
    return answers


def _read(path: Path) -> list[Answer] | None:
    try:
        return [(number, ids) for number, ids in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError):
        return None


def _answer(
    base: BaseModel, weights: PreTrainedModel, prompt_ids: list[int], longest: int
) -> list[int]:
    """Ids of one answer; without an end token when it is too long."""
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
    ids = weights.generate(prompt, attention_mask=torch.ones_like(prompt), generation_config=config)
    return ids[0, len(prompt_ids) :].tolist()
