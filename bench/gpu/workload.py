"""Rows with a long prompt in common, so many tokens long by the model's own tokenizer."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import asdict, dataclass

from contract.backend import Message, Row
from engine.base_model import BaseModel
from engine.rendering import student_row
from engine.rows import TokenizedRow, shared_prefix_tokens


@dataclass(frozen=True)
class Sizes:
    """In tokens, chat markers included; rows come within a word of them."""

    prefix: int = 800
    query: int = 20
    answer: int = 20


def make_rows(base: BaseModel, sizes: Sizes, count: int, seed: int = 1) -> list[Row]:
    """`count` rows with the same system prompt, each with a query and an answer of its own."""
    draw = random.Random(seed)

    def prefix_tokens(system: str) -> int:
        pair = [_row(system, first, "a") for first in ("a", "b")]
        return shared_prefix_tokens([student_row(base.chat, row) for row in pair])

    system = _grow(prefix_tokens, sizes.prefix, draw)
    return [_row_behind(system, base, sizes, draw) for _ in range(count)]


def query_only(row: Row) -> Row:
    """What a lora that has the prompt in its weights is asked."""
    return Row(messages=row.messages[1:])


def tokenized(base: BaseModel, rows: list[Row]) -> list[TokenizedRow]:
    return [student_row(base.chat, row) for row in rows]


def as_json(row: Row) -> dict:
    """As the contract's files of rows have it."""
    return {"messages": [asdict(message) for message in row.messages]}


def _row(system: str, query: str, answer: str) -> Row:
    texts = (("system", system), ("user", query), ("assistant", answer))
    return Row(messages=[Message(role, text) for role, text in texts])


def _row_behind(system: str, base: BaseModel, sizes: Sizes, draw: random.Random) -> Row:
    def prompt_tokens(query: str) -> int:
        return len(student_row(base.chat, _row(system, query, "a")).prompt_ids)

    def answer_tokens(answer: str) -> int:
        return len(student_row(base.chat, _row(system, "a", answer)).completion_ids)

    query = _grow(prompt_tokens, sizes.prefix + sizes.query, draw)
    return _row(system, query, _grow(answer_tokens, sizes.answer, draw))


def _word(draw: random.Random) -> str:
    return "".join(draw.choices(string.ascii_lowercase, k=3))


def _grow(measure: Callable[[str], int], tokens: int, draw: random.Random) -> str:
    """The first text of ever more words that measures so many tokens."""
    text = _word(draw)
    while measure(text) < tokens:
        text = f"{text} {_word(draw)}"
    return text
