"""
What the chat templates of Qwen3, Llama 3.2, Gemma 3, SmolLM3 and Mistral write for training is what
serving reads. The embedded engine renders the same file: test/unit/chat-templates.test.ts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contract.backend import Message
from contract.errors import EngineError
from engine.chat_template import ChatTemplate

GOLDEN = Path(__file__).parents[3] / "test/kit/model/chat-templates.json"
FAMILIES = json.loads(GOLDEN.read_text("utf-8"))["families"]


def template_of(family: dict[str, Any]) -> ChatTemplate:
    return ChatTemplate("\n".join(family["template"]), family["tokens"], family["control"])


@pytest.mark.parametrize("family", FAMILIES, ids=[family["name"] for family in FAMILIES])
def test_a_row_is_the_prompt_that_is_served_and_the_answer_alone(family):
    chat = template_of(family)
    for case in family["cases"]:
        messages = [Message(**message) for message in case["messages"]]
        kept = case["defaultSystem"]
        row = chat.render_answered(messages, default_system=kept)
        served = chat.render(messages[:-1], add_generation_prompt=True, default_system=kept)
        assert row.prompt == served.text
        assert row.prompt.replace(row.guard, "") == case["prompt"]
        assert row.completion.replace(row.guard, "") == case["completion"]


def test_a_template_that_changes_a_question_once_it_is_answered_is_refused():
    text = "{% for m in messages %}{{ m.role + messages|length|string + m.content }}{% endfor %}"
    row = [Message("user", "q"), Message("assistant", "a")]
    with pytest.raises(EngineError, match="differently"):
        ChatTemplate(text, {}, []).render_answered(row, default_system=False)
