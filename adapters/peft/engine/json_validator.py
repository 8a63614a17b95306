"""
JSON (RFC 8259) checked byte by byte: is this the beginning of one JSON object? States never change,
so that many continuations can be tried from one. Knows nothing of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

#: objects and arrays may not lie deeper, which bounds the state and the bytes that close it
MAX_DEPTH = 64

ESCAPES = frozenset(b'"\\/bfnrt')
LITERALS = {word[0]: word[1:] for word in (b"true", b"false", b"null")}
SPACES = frozenset(b" \n\r\t")
DIGITS = frozenset(b"0123456789")
HEX = frozenset(b"0123456789abcdefABCDEF")
#: a number may end here
ENDABLE = frozenset(("zero", "digits", "fraction", "exponent-digits"))


@dataclass(frozen=True)
class JsonState:
    """
    `place` is one of start, first-key, key, colon, value, first-value, after, string, key-string,
    number, literal, complete.
    """

    place: str = "start"
    #: open containers, `{` or `[`, the innermost last
    frames: bytes = b""
    #: where in a number: sign, zero, digits, point, fraction, exponent, exponent-sign, …
    number: str = ""
    #: rest of `true`, `false` or `null`
    literal: bytes = b""
    #: in a string: 0 plain, -1 behind a backslash, 1–4 hex digits of \\u still to come
    escape: int = 0
    #: in a string: bytes of the current character still to come, and the range of the next one
    continuation: int = 0
    least: int = 0x80
    most: int = 0xBF


START = JsonState()


def feed(state: JsonState, content: bytes) -> JsonState | None:
    """The state behind the bytes, or None when no JSON object begins so."""
    current: JsonState | None = state
    for byte in content:
        current = _step(current, byte)
        if current is None:
            return None
    return current


def bytes_to_end(state: JsonState) -> int:
    """The fewest bytes that make a whole object of what was read."""
    return 2 if state.place == "start" else _bytes_to_value_end(state) + len(state.frames)


def _bytes_to_value_end(state: JsonState) -> int:
    if state.place in ("string", "key-string"):
        rest = state.continuation + (1 if state.escape == -1 else state.escape)
        # a key still needs its colon and a value of one digit
        return rest + 1 + (2 if state.place == "key-string" else 0)
    if state.place == "number":
        return 0 if state.number in ENDABLE else 1
    if state.place == "literal":
        return len(state.literal)
    return {"key": 4, "colon": 2, "value": 1}.get(state.place, 0)


def _step(state: JsonState, byte: int) -> JsonState | None:
    place = state.place
    if place in ("string", "key-string"):
        return _in_string(state, byte)
    if place == "literal":
        return _in_literal(state, byte)
    if place == "number":
        return _in_number(state, byte)
    if place == "start":
        return _open(state, byte) if byte == ord("{") else None
    if place == "complete":
        return None
    return state if byte in SPACES else _between(state, byte)


def _in_literal(state: JsonState, byte: int) -> JsonState | None:
    if byte != state.literal[0]:
        return None
    rest = state.literal[1:]
    return replace(state, literal=rest, place="literal" if rest else "after")


def _in_number(state: JsonState, byte: int) -> JsonState | None:
    part = _next_number_part(state.number, byte)
    if part is not None:
        return replace(state, number=part)
    if state.number not in ENDABLE:
        return None
    return _step(replace(state, place="after", number=""), byte)


def _next_number_part(part: str, byte: int) -> str | None:
    digit = byte in DIGITS
    if part == "sign":
        return ("zero" if byte == ord("0") else "digits") if digit else None
    if part in ("zero", "digits") and byte == ord("."):
        return "point"
    if part in ("zero", "digits", "fraction") and byte in b"eE":
        return "exponent"
    if part == "exponent" and byte in b"+-":
        return "exponent-sign"
    if not digit or part == "zero":
        return None
    return {"digits": "digits", "point": "fraction", "fraction": "fraction"}.get(
        part, "exponent-digits"
    )


def _in_string(state: JsonState, byte: int) -> JsonState | None:
    if state.escape == -1:
        if byte == ord("u"):
            return replace(state, escape=4)
        return replace(state, escape=0) if byte in ESCAPES else None
    if state.escape > 0:
        return replace(state, escape=state.escape - 1) if byte in HEX else None
    if state.continuation > 0:
        if not state.least <= byte <= state.most:
            return None
        return replace(state, continuation=state.continuation - 1, least=0x80, most=0xBF)
    if byte == ord('"'):
        return replace(state, place="colon" if state.place == "key-string" else "after")
    if byte == ord("\\"):
        return replace(state, escape=-1)
    if byte < 0x20:
        return None
    return state if byte < 0x80 else _lead_byte(state, byte)


def _lead_byte(state: JsonState, byte: int) -> JsonState | None:
    """Continuation bytes behind a leading byte, and the range of the first (Unicode 16, 3-7)."""
    if 0xC2 <= byte <= 0xDF:
        return replace(state, continuation=1)
    if 0xE0 <= byte <= 0xEF:
        least, most = 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF
        return replace(state, continuation=2, least=least, most=most)
    if 0xF0 <= byte <= 0xF4:
        least, most = 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF
        return replace(state, continuation=3, least=least, most=most)
    return None


def _between(state: JsonState, byte: int) -> JsonState | None:
    """Between tokens of JSON, where white space is legal."""
    place = state.place
    if place in ("first-key", "key"):
        if place == "first-key" and byte == ord("}"):
            return _close(state, byte)
        return replace(state, place="key-string") if byte == ord('"') else None
    if place == "colon":
        return replace(state, place="value") if byte == ord(":") else None
    if place == "first-value" and byte == ord("]"):
        return _close(state, byte)
    if place in ("value", "first-value"):
        return _begin_value(state, byte)
    if byte == ord(","):
        return replace(state, place="key" if state.frames.endswith(b"{") else "value")
    return _close(state, byte)


def _begin_value(state: JsonState, byte: int) -> JsonState | None:
    if byte in b"{[":
        return _open(state, byte)
    if byte == ord('"'):
        return replace(state, place="string")
    if byte == ord("-"):
        return replace(state, place="number", number="sign")
    if byte in DIGITS:
        return replace(state, place="number", number="zero" if byte == ord("0") else "digits")
    literal = LITERALS.get(byte)
    return None if literal is None else replace(state, place="literal", literal=literal)


def _open(state: JsonState, byte: int) -> JsonState | None:
    if len(state.frames) == MAX_DEPTH:
        return None
    place = "first-key" if byte == ord("{") else "first-value"
    return replace(state, place=place, frames=state.frames + bytes([byte]))


def _close(state: JsonState, byte: int) -> JsonState | None:
    opening = {ord("}"): b"{", ord("]"): b"["}.get(byte)
    if opening is None or not state.frames.endswith(opening):
        return None
    frames = state.frames[:-1]
    return replace(state, frames=frames, place="after" if frames else "complete")
