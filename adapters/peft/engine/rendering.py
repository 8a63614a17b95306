"""Messages to token ids, through a chat template and a tokenizer. Knows nothing of weights."""

from __future__ import annotations

from collections.abc import Sequence

from contract.backend import Message, Row
from contract.errors import EngineError
from engine.chat_template import ChatTemplate
from engine.rows import TokenizedRow
from engine.text_tokenizer import TextTokenizer


class ChatRenderer:
    """`template_hash` is the sha256 of the template's text."""

    def __init__(
        self,
        template: ChatTemplate,
        tokenizer: TextTokenizer,
        eos_ids: list[int],
        template_hash: str,
    ) -> None:
        self._template = template
        self._tokenizer = tokenizer
        self._eos_ids = eos_ids
        self.template_hash = template_hash

    def prompt_ids(
        self,
        messages: Sequence[Message],
        *,
        default_system: bool,
        add_generation_prompt: bool = True,
    ) -> list[int]:
        """Raises EngineError `invalid_request` for messages that the template cannot render."""
        rendered = self._template.render(
            messages, add_generation_prompt=add_generation_prompt, default_system=default_system
        )
        return self._tokenizer.encode_rendered(rendered.text, rendered.guard)

    def row(
        self, messages: Sequence[Message], *, default_system: bool, weight: float = 1.0
    ) -> TokenizedRow:
        """
        A training row as serving sees it: the prompt's ids are those of `prompt_ids`, the
        completion is what the template writes after that, up to the token that ends the turn.

        Raises EngineError `invalid_request` as `ChatTemplate.render_answered`.
        """
        text = self._template.render_answered(messages, default_system=default_system)
        # encoded apart, because the served model starts a token of its own behind the prompt
        answer = self._tokenizer.encode_rendered(text.completion, text.guard, continues=True)
        return TokenizedRow(
            prompt_ids=self._tokenizer.encode_rendered(text.prompt, text.guard),
            completion_ids=_end_turn(answer, self._eos_ids),
            weight=weight,
        )


def _end_turn(ids: list[int], eos_ids: list[int]) -> list[int]:
    """Cuts behind the token that ends the turn; a template that writes none gets the first one."""
    end = next((place for place, token in enumerate(ids) if token in eos_ids), None)
    return [*ids, eos_ids[0]] if end is None else ids[: end + 1]


def student_row(chat: ChatRenderer, row: Row) -> TokenizedRow:
    """A lora is served without the chat template's default system message."""
    return chat.row(row.messages, default_system=False, weight=row.weight)


def teacher_row(chat: ChatRenderer, row: Row) -> TokenizedRow:
    """The base model with the whole prompt, read as a client's request is."""
    if row.teacher_messages is None:
        raise EngineError(
            "invalid_request", "self-distillation needs teacher_messages in every row"
        )
    return chat.row([*row.teacher_messages, row.messages[-1]], default_system=True)


def scored_row(chat: ChatRenderer, row: Row, *, is_base: bool) -> TokenizedRow:
    """The base model reads rows as a client's request, a lora as it learned."""
    return chat.row(row.messages, default_system=is_base)
