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

    def own(system: str) -> Row:
        """The shortest row behind it, with a query that no other row begins like."""
        return _row(system, _word(draw), _word(draw))

    def prefix_tokens(system: str) -> int:
        pair = [_row(system, first, "a") for first in ("a", "b")]
        return shared_prefix_tokens([student_row(base.chat, row) for row in pair])

    system = _grow(prefix_tokens, sizes.prefix, draw)
    return [_fill(base, own(system), sizes, draw) for _ in range(count)]


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


def _fill(base: BaseModel, row: Row, sizes: Sizes, draw: random.Random) -> Row:
    system, query, answer = (message.content for message in row.messages)
    grown_query = _grow(
        lambda text: len(student_row(base.chat, _row(system, text, answer)).prompt_ids),
        sizes.prefix + sizes.query,
        draw,
        query,
    )
    grown_answer = _grow(
        lambda text: len(student_row(base.chat, _row(system, grown_query, text)).completion_ids),
        sizes.answer,
        draw,
        answer,
    )
    return _row(system, grown_query, grown_answer)


def _word(draw: random.Random) -> str:
    return "".join(draw.choices(string.ascii_lowercase, k=3))


def _grow(measure: Callable[[str], int], tokens: int, draw: random.Random, text: str = "") -> str:
    """Text of words, the first one that measures so many tokens."""
    text = text or _word(draw)
    while measure(text) < tokens:
        text = f"{text} {_word(draw)}"
    return text
