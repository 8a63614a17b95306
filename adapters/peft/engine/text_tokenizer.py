"""
Text to token ids and back, for byte-pair vocabularies in the form of a `tokenizer.json`. Adds
to the library two things: control tokens are found only where the caller says so, and every token
has bytes, so that streams can be cut between the bytes of one character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from tokenizers import Tokenizer

from contract.errors import EngineError

#: fields that files leave out and the library wants
ADDED_TOKEN = {
    "special": False,
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
}
BYTE_LEVEL = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


def byte_characters() -> dict[str, int]:
    """GPT-2's reversible table, character to byte: printable Latin-1 bytes stand for themselves."""
    table: dict[str, int] = {}
    following = 256
    for byte in range(256):
        printable = 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255
        table[chr(byte if printable else following)] = byte
        following += not printable
    return table


def _steps(step: dict[str, Any] | None, children: str) -> list[dict[str, Any]]:
    if step is None:
        return []
    return step.get(children, []) if step["type"] == "Sequence" else [step]


def _prefix_scheme(source: dict[str, Any]) -> str:
    """Where SentencePiece's `▁` is put: before every stretch between control tokens, or one."""
    if any(step["type"] == "Prepend" for step in _steps(source.get("normalizer"), "normalizers")):
        return "always"
    for step in _steps(source.get("pre_tokenizer"), "pretokenizers"):
        if step["type"] == "Metaspace":
            return step.get("prepend_scheme", "always")
    return "never"


def _without_prefix(source: dict[str, Any]) -> dict[str, Any]:
    """The same tokenizer for text that goes on where other text ended."""
    normalizers = _steps(source.get("normalizer"), "normalizers")
    pre_tokenizers = [
        {**step, "prepend_scheme": "never"} if step["type"] == "Metaspace" else step
        for step in _steps(source.get("pre_tokenizer"), "pretokenizers")
    ]
    kept = [step for step in normalizers if step["type"] != "Prepend"]
    return {
        **source,
        "normalizer": {"type": "Sequence", "normalizers": kept},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre_tokenizers},
    }


def _bytes_of(source: dict[str, Any]) -> Callable[[str], bytes]:
    steps = [
        *_steps(source.get("pre_tokenizer"), "pretokenizers"),
        *_steps(source.get("decoder"), "decoders"),
    ]
    if not any(step["type"] == "ByteLevel" for step in steps):
        return _sentencepiece_bytes
    table = byte_characters()

    def byte_level(token: str) -> bytes:
        # a token outside the table is plain text that somebody added
        whole = all(character in table for character in token)
        return bytes(table[character] for character in token) if whole else token.encode()

    return byte_level


def _sentencepiece_bytes(token: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()


def _complete(step: dict[str, Any] | None) -> dict[str, Any] | None:
    """With the fields that the library insists on, also those that decide nothing here."""
    if step is None:
        return None
    children = {
        name: [_complete(child) for child in step[name]]
        for name in ("normalizers", "pretokenizers", "decoders")
        if name in step
    }
    defaults = BYTE_LEVEL if step["type"] == "ByteLevel" else {}
    return {**defaults, **step, **children}


def _plain_tokenizer(source: dict[str, Any], control_ids: set[int]) -> Tokenizer:
    """The tokenizer without its control tokens: what it makes of text that is only text."""
    model = source["model"]
    added = [
        {**ADDED_TOKEN, **token}
        for token in source["added_tokens"]
        if token["id"] not in control_ids
    ]
    vocabulary = {token: i for token, i in model["vocab"].items() if i not in control_ids}
    # the library gives an added token the id it has in the vocabulary, else the next free one
    vocabulary |= {token["content"]: token["id"] for token in added}
    plain = {
        **source,
        "model": {**model, "type": "BPE", "vocab": vocabulary},
        "added_tokens": added,
        "post_processor": None,
        "truncation": None,
        "padding": None,
    }
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        plain[part] = _complete(plain.get(part))
    plain.setdefault("version", "1.0")
    return Tokenizer.from_str(json.dumps(plain))


class TextTokenizer:
    """
    Raises EngineError `invalid_model` for a tokenizer that is not byte-pair.

    `control` are texts of added tokens that are control tokens besides those marked special.
    """

    def __init__(self, source: dict[str, Any], control: Sequence[str]) -> None:
        model = source.get("model") or {}
        if model.get("type", "BPE") != "BPE" or "vocab" not in model or "merges" not in model:
            kind = model.get("type", "missing")
            raise EngineError(
                "invalid_model",
                f"the tokenizer's model is {kind}; only byte-pair (BPE) tokenizers are supported",
            )
        # a single character is text: nothing could be put into it to break it up
        self._control = {
            token["content"]: token
            for token in source["added_tokens"]
            if len(token["content"]) > 1 and (token.get("special") or token["content"] in control)
        }
        self.control_ids = {text: token["id"] for text, token in self._control.items()}
        ids = set(self.control_ids.values())
        self._scheme = _prefix_scheme(source)
        try:
            self._plain = _plain_tokenizer(source, ids)
            self._continued = (
                self._plain
                if self._scheme == "never"
                else _plain_tokenizer(_without_prefix(source), ids)
            )
        except Exception as error:  # the library's errors are bare Exceptions
            raise EngineError("invalid_model", f"tokenizer.json is unusable: {error}") from error
        self._pattern = _any_of(self.control_ids)
        self._bytes = _token_bytes(source, ids)
        self.vocab_size = max(self._bytes, default=-1) + 1

    def encode_text(self, text: str, *, continues: bool = False) -> list[int]:
        """Ids of mere text, in which control tokens are text too; none is added at either end."""
        tokenizer = self._continued if continues else self._plain
        return tokenizer.encode(text, add_special_tokens=False).ids if text else []

    def encode_rendered(self, text: str, guard: str, *, continues: bool = False) -> list[int]:
        """Ids of what a template wrote, control tokens among them; `guard` is left out."""
        pieces = self._pattern.split(text) if self._pattern else [text]
        ids: list[int] = []
        for index, piece in enumerate(pieces):
            if index % 2 == 1:
                ids.append(self.control_ids[piece])
                continue
            stretch = piece.replace(guard, "")
            if index > 0 and self._control[pieces[index - 1]].get("rstrip"):
                stretch = stretch.lstrip()
            if index + 1 < len(pieces) and self._control[pieces[index + 1]].get("lstrip"):
                stretch = stretch.rstrip()
            ids += self.encode_text(
                stretch, continues=continues if index == 0 else self._scheme == "first"
            )
        return ids

    def decode_bytes(self, token_id: int) -> bytes:
        """The token's bytes of UTF-8, possibly part of a character; empty for control tokens."""
        return self._bytes.get(token_id, b"")


def _any_of(texts: dict[str, int]) -> re.Pattern[str] | None:
    """A pattern with one group that finds the longest of these texts, or None for none."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})") if texts else None


def _token_bytes(source: dict[str, Any], control_ids: set[int]) -> dict[int, bytes]:
    bytes_of = _bytes_of(source)
    table = {token_id: bytes_of(token) for token, token_id in source["model"]["vocab"].items()}
    for token in source["added_tokens"]:
        is_control = token["id"] in control_ids
        table[token["id"]] = b"" if is_control else token["content"].encode()
    return table
