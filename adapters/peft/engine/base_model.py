"""A base model's folder as everything but its weights: configuration, tokenizer, chat, identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.backend import Message
from contract.errors import EngineError
from engine.chat_template import ChatTemplate
from engine.javascript_json import stringify
from engine.model_config import ModelConfig, read_json, read_model_config
from engine.rendering import ChatRenderer
from engine.text_tokenizer import TextTokenizer
from engine.weight_files import base_fingerprint, read_tensor_table

TEMPLATE_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True)
class BaseModel:
    folder: Path
    name: str
    config: ModelConfig
    tokenizer: TextTokenizer
    chat: ChatRenderer
    #: sha256 by which loras know their base
    fingerprint: str
    #: sha256 over all that decides which ids a text gets
    tokenizer_hash: str
    #: tokens that end a generation, first the one that training puts behind an answer
    eos_ids: list[int]

    @property
    def system_fingerprint(self) -> str:
        """Of the weights and of how a chat is rendered for them."""
        text = f"{self.fingerprint}\n{self.chat.template_hash}"
        return f"fp_{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def open_base_model(folder: Path) -> BaseModel:
    """
    Raises EngineError `invalid_model` that names what is wrong: no such folder, another
    architecture, a tensor that is missing or cut off, no tokenizer, no chat template.
    """
    if not folder.is_dir():
        raise EngineError(
            "invalid_model", f"there is no model folder at {folder}; give a Hugging Face folder"
        )
    config = read_model_config(folder)
    source = read_json(folder / "tokenizer.json")
    source["added_tokens"] = source.get("added_tokens") or []
    settings_file = folder / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.exists() else {}
    tokens = _template_tokens(settings)
    template = _read_chat_template(folder, settings)
    listed = _read_eos_ids(folder, source, tokens.get("eos_token"))
    tokenizer = TextTokenizer(source, _control_texts(source, template, tokens, listed))
    if tokenizer.vocab_size > config.vocab_size:
        raise EngineError(
            "invalid_model",
            f"the tokenizer has {tokenizer.vocab_size} tokens, the embedding only "
            f"{config.vocab_size}; the files belong to different models",
        )
    chat = ChatTemplate(template, tokens, list(tokenizer.control_ids))
    eos_ids = _all_eos_ids(chat, tokenizer, listed)
    if not eos_ids:
        raise EngineError("invalid_model", f"{folder} names no token that ends a generation")
    return BaseModel(
        folder=folder,
        name=folder.resolve().name,
        config=config,
        tokenizer=tokenizer,
        chat=ChatRenderer(chat, tokenizer, eos_ids, _sha256(template)),
        fingerprint=base_fingerprint(config, source["model"], read_tensor_table(folder, config)),
        tokenizer_hash=_tokenizer_hash(source),
        eos_ids=eos_ids,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tokenizer_hash(source: dict[str, Any]) -> str:
    parts = ("model", "added_tokens", "normalizer", "pre_tokenizer")
    return _sha256(stringify([source.get(part) for part in parts]))


def _template_tokens(settings: dict[str, Any]) -> dict[str, str]:
    """Token entries are a text or an object with the text as `content`."""
    tokens = {}
    for name in TEMPLATE_TOKENS:
        value = settings.get(name)
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str):
            tokens[name] = text
    return tokens


def _read_chat_template(folder: Path, settings: dict[str, Any]) -> str:
    """The template is a file of its own, a text, or a list of named ones."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text("utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = [entry["template"] for entry in template if entry.get("name") == "default"]
        template = named[0] if named else None
    if not isinstance(template, str):
        raise EngineError(
            "invalid_model",
            f"{folder} has no chat template (chat_template.jinja or tokenizer_config.json); "
            "use a chat or instruct model",
        )
    return template


def _read_eos_ids(folder: Path, source: dict[str, Any], eos_text: str | None) -> list[int]:
    ids = [token["id"] for token in source["added_tokens"] if token["content"] == eos_text]
    for name in ("config.json", "generation_config.json"):
        file = folder / name
        listed = read_json(file).get("eos_token_id") if file.exists() else None
        ids += listed if isinstance(listed, list) else [] if listed is None else [listed]
    return list(dict.fromkeys(ids))


def _control_texts(
    source: dict[str, Any], template: str, tokens: dict[str, str], eos_ids: Sequence[int]
) -> list[str]:
    """Added tokens that the template writes are control tokens, whatever their flag says."""
    return [
        token["content"]
        for token in source["added_tokens"]
        if token["id"] in eos_ids
        or token["content"] in tokens.values()
        or token["content"] in template
    ]


def _all_eos_ids(chat: ChatTemplate, tokenizer: TextTokenizer, listed: list[int]) -> list[int]:
    """Puts the control token that the template writes behind an answer first: not all list it."""
    question = Message("user", "a")

    def ids(messages: list[Message]) -> list[int]:
        text = chat.render(messages, add_generation_prompt=False, default_system=False)
        return tokenizer.encode_rendered(text.text, text.guard)

    asked, answered = ids([question]), ids([question, Message("assistant", "b")])
    answer = tokenizer.encode_text("b", continues=True)[-1]
    behind = max((i for i, token in enumerate(answered) if token == answer), default=-1)
    control = set(tokenizer.control_ids.values())
    ends = [token for token in answered[behind:] if token in control]
    found = ends[:1] if behind >= len(asked) else []
    return list(dict.fromkeys([*found, *listed]))
