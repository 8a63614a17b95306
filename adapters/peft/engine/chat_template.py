"""
A model's chat template: messages to text. Knows nothing of token ids.

What users write never becomes a control token: before rendering, every control token inside a
message is broken up by a guard character that occurs nowhere else; after rendering, the text is
split at control tokens (which only the template can have written) and the guard is taken out again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from contract.backend import Message
from contract.errors import EngineError

#: a prompt that changes with the date is not the trained one
PINNED_DATE = "01 Jan 2026"
SYSTEM_PROBE = Message("system", "Probe of a system message.")
USER_PROBE = Message("user", "Probe of a user message.")
OPENING_ROLES = ("system", "developer")
#: without it the templates of hybrid models (Qwen3, SmolLM3) leave a block of thoughts to the
#: answer: the open prompt would end before it and the logged answer would contain it
RENDERING = {"enable_thinking": False}


class _Generation(Extension):
    """`{% generation %}` marks answers in some templates (SmolLM3) and renders as what is in it."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


@dataclass(frozen=True)
class GuardedText:
    """Text with the guard character still in it."""

    text: str
    guard: str


@dataclass(frozen=True)
class AnsweredText:
    """An open conversation, and what the template writes once its last message has answered."""

    prompt: str
    completion: str
    guard: str


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _free_character(texts: Sequence[str]) -> str:
    """The first private-use character that no text contains."""
    for code in range(0xE000, 0xF900):
        if not any(chr(code) in text for text in texts):
            return chr(code)
    raise EngineError(
        "invalid_request", "the messages use every private-use character there is", "messages"
    )


def _break_up(text: str, control_texts: Sequence[str], guard: str) -> str:
    """Puts `guard` into every control token in `text`, until none is left (they may overlap)."""
    while True:
        found = next((control for control in control_texts if control in text), None)
        if found is None:
            return text
        text = text.replace(found, found[0] + guard + found[1:])


class ChatTemplate:
    """
    `tokens` are what `bos_token` and its like stand for, `control_texts` the control tokens.

    Raises EngineError `invalid_model` for a template that does not parse.
    """

    def __init__(self, source: str, tokens: dict[str, str], control_texts: Sequence[str]) -> None:
        self._source = source
        self._tokens = tokens
        self._control_texts = list(control_texts)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        environment.globals |= {
            "raise_exception": _raise,
            "strftime_now": lambda _format: PINNED_DATE,
        }
        environment.filters["tojson"] = _to_json
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise EngineError(
                "invalid_model", f"the chat template does not parse: {error}"
            ) from error
        self._head, self._block = self._find_default_system(tokens.get("bos_token", ""))

    def render(
        self, messages: Sequence[Message], *, add_generation_prompt: bool, default_system: bool
    ) -> GuardedText:
        """
        `default_system` false leaves out the system block that some templates add by themselves.

        Raises EngineError `invalid_request` for messages that cannot be rendered.
        """
        guard = self._guard_for(messages)
        text = self._guarded(messages, add_generation_prompt, default_system, guard)
        return GuardedText(text, guard)

    def render_answered(self, messages: Sequence[Message], *, default_system: bool) -> AnsweredText:
        """
        The prompt is what serving renders. The completion is what the template writes for the
        answer behind a question: some templates write the conversation before an answer otherwise
        than the open one (Mistral 0.3 puts the system message into the last message alone).

        Raises EngineError `invalid_request` when the last message is not the assistant's, or the
        template changes a question once it is answered.
        """
        if len(messages) < 2 or messages[-1].role != "assistant":
            raise EngineError(
                "invalid_request",
                "a training row needs a prompt and an assistant message at its end",
                "messages",
            )
        guard = self._guard_for(messages)
        asked = self._guarded([USER_PROBE], True, default_system, guard)
        answered = self._guarded([USER_PROBE, messages[-1]], False, default_system, guard)
        if not answered.startswith(asked):
            raise EngineError(
                "invalid_request",
                "the chat template renders an answered question differently from an open one, so "
                "training would not match serving",
                "messages",
            )
        prompt = self._guarded(messages[:-1], True, default_system, guard)
        return AnsweredText(prompt, answered[len(asked) :], guard)

    def _guard_for(self, messages: Sequence[Message]) -> str:
        texts = [text for message in messages for text in (message.role, message.content)]
        return _free_character([self._source, *texts])

    def _render_text(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        plain = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._template.render(
                **self._tokens,
                **RENDERING,
                messages=plain,
                add_generation_prompt=add_generation_prompt,
            )
        # a template may fail in any way that Python can
        except Exception as error:
            raise EngineError(
                "invalid_request", f"the model's chat template refuses this: {error}", "messages"
            ) from error

    def _guarded(
        self,
        messages: Sequence[Message],
        add_generation_prompt: bool,
        default_system: bool,
        guard: str,
    ) -> str:
        guarded = [
            replace(message, content=_break_up(message.content, self._control_texts, guard))
            for message in messages
        ]
        text = self._render_text(guarded, add_generation_prompt)
        opens = bool(messages) and messages[0].role in OPENING_ROLES
        added = self._head + self._block
        if default_system or opens or not self._block or not text.startswith(added):
            return text
        return self._head + text[len(added) :]

    def _find_default_system(self, bos: str) -> tuple[str, str]:
        """
        Where the system block that the template adds by itself lies: behind the first text, the
        second one ('' where it adds none). Found by comparing three renderings: a user message
        alone, the same behind a system message, and the system message alone.
        """
        try:
            bare = self._render_text([USER_PROBE], False)
            both = self._render_text([SYSTEM_PROBE, USER_PROBE], False)
            alone = self._render_text([SYSTEM_PROBE], False)
        except EngineError:
            # a template that wants a user message, or refuses system messages, adds none
            return "", ""
        before, found, after = both.partition(SYSTEM_PROBE.content)
        block_before, found_alone, block_after = alone.partition(SYSTEM_PROBE.content)
        fits = found and found_alone and before == block_before and after.startswith(block_after)
        if not fits or not bare.startswith(before) or not bare.endswith(after):
            return "", ""
        block = before + bare[len(before) : len(bare) - len(after)] + block_after
        # a token that opens the next turn too (SmolLM2's bos is its <|im_start|>) is the block's
        opens_turns = bare.startswith(bos, len(block))
        head = bos if bos and block.startswith(bos) and not opens_turns else ""
        return head, block[len(head) :]
