"""
Figures as `bench/report.ts` writes them: a value with its spread and its bar, as JSON and as lines
for people. Knows nothing of what is measured.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    #: None: not measured
    value: float | str | None
    unit: str
    min: float | None = None
    max: float | None = None
    runs: int | None = None
    #: what the figure must reach, as a person reads it: '>= 0.4'
    bar: str | None = None
    #: None without a bar, and where it was not measured
    holds: bool | None = None

    def as_dict(self) -> dict:
        needed = ("value", "unit", *(("holds",) if self.bar is not None else ()))
        given = asdict(self).items()
        return {name: value for name, value in given if value is not None or name in needed}


Figures = dict[str, Figure]


@dataclass
class Report:
    machine: dict
    command: str
    commit: str
    date: str
    #: what a reader has to know about the figures
    notes: list[str] = field(default_factory=list)
    figures: Figures = field(default_factory=dict)
    #: part or arm to the reason why it has no figures
    failures: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        figures = {name: figure.as_dict() for name, figure in self.figures.items()}
        text = json.dumps({**asdict(self), "figures": figures}, indent=2)
        path.write_text(f"{text}\n", "utf-8")


def spread(values: Sequence[float], unit: str) -> Figure:
    """Median of the rounds with least and greatest. `values` is not empty."""
    return Figure(statistics.median(values), unit, min(values), max(values), len(values))


def ratio(above: Sequence[float], below: Sequence[float]) -> Figure:
    """Round by round, so that a machine that slows down slows both sides."""
    return spread([a / b for a, b in zip(above, below, strict=False)], "ratio")


def at_least(figure: Figure, bar: float) -> Figure:
    """With its bar, and whether the median holds it."""
    return replace(figure, bar=f">= {bar:g}", holds=figure.value >= bar)


def not_measured(bar: float) -> Figure:
    return Figure(None, "ratio", bar=f">= {bar:g}")


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so many of the others do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


def _verdict(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    word = {True: "held", False: "MISSED", None: "not measured"}[figure.holds]
    return f"{figure.bar}: {word}"


def _number(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"


def _range(figure: Figure) -> str:
    if figure.runs is None or figure.runs < 2:
        return ""
    return f"{_number(figure.min)}–{_number(figure.max)}"


def format_table(figures: Mapping[str, Figure]) -> str:
    """One line a figure, in columns."""
    rows = [("figure", "median", "min–max", "unit", "bar")]
    for name, figure in figures.items():
        spread_text = _range(figure)
        rows.append((name, _number(figure.value), spread_text, figure.unit, _verdict(figure)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
