"""JSON as JavaScript's `JSON.stringify` writes it, byte for byte: hashes of manifests, tokenizers
and configurations must be those of the embedded engine."""

from __future__ import annotations

import json
import re
from typing import Any

_INDEX = re.compile(r"0|[1-9]\d{0,9}")
_MAX_INDEX = 2**32 - 2
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def stringify(value: Any, indent: int | None = None) -> str:
    """
    The text of JSON.stringify(value), or of JSON.stringify(value, null, indent).
    Floats that are whole are written without a point; keys that are array indexes come first.
    """
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", _write(value, indent, ""))


def _write(value: Any, indent: int | None, margin: str) -> str:
    if isinstance(value, dict):
        colon = ":" if indent is None else ": "
        pairs = [
            f"{_scalar(key)}{colon}{_write(item, indent, _inner(indent, margin))}"
            for key, item in _ordered(value)
        ]
        return _bracket("{", pairs, "}", indent, margin)
    if isinstance(value, (list, tuple)):
        items = [_write(item, indent, _inner(indent, margin)) for item in value]
        return _bracket("[", items, "]", indent, margin)
    return _scalar(value)


def _inner(indent: int | None, margin: str) -> str:
    return margin + " " * (indent or 0)


def _bracket(opening: str, parts: list[str], closing: str, indent: int | None, margin: str) -> str:
    if indent is None or not parts:
        return opening + ",".join(parts) + closing
    inner = _inner(indent, margin)
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}{closing}"


def _ordered(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """A JavaScript object gives its array indexes first, in rising order, then the rest."""
    indexes = [key for key in value if _INDEX.fullmatch(key) and int(key) <= _MAX_INDEX]
    if not indexes:
        return list(value.items())
    indexes.sort(key=int)
    rest = [key for key in value if key not in set(indexes)]
    return [(key, value[key]) for key in [*indexes, *rest]]


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    return json.dumps(value, ensure_ascii=False)


def number_text(value: float) -> str:
    """A number as JavaScript's `String` writes it (ECMAScript, Number::toString)."""
    if value != value or value in (float("inf"), float("-inf")):
        return "null"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, exponent = _shortest(abs(value))
    length, point = len(mantissa), exponent + 1
    if length <= point <= 21:
        return sign + mantissa + "0" * (point - length)
    if 0 < point <= 21:
        return f"{sign}{mantissa[:point]}.{mantissa[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{mantissa}"
    digits = mantissa[0] if length == 1 else f"{mantissa[0]}.{mantissa[1:]}"
    return f"{sign}{digits}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"


def _shortest(value: float) -> tuple[str, int]:
    """The fewest digits that give the number back, and the power of ten of the first one."""
    text = repr(value)
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(whole) - 1
    if whole.strip("0") == "":
        exponent = int(power or 0) - 1 - (len(fraction) - len(fraction.lstrip("0")))
    return digits.rstrip("0"), exponent
