"""
A checker of formulas for a table that the last message describes, after others: `Columns: A=Year (number) | B=Team (text)`
and `Rows: 2-40`: both formulas are computed by IronCalc on 26 tables of drawn cells, which include the constants of
both. They are the same where all results are. This proves equal results on these cells, and no more.

It needs the package ironcalc (MIT) in its Python.
"""

import random
import re
import sys

from verdict import Asked, Verdict, tell

try:
    import ironcalc
except ImportError:
    # of the shell `command not found`: the proxy asks again later
    sys.exit(127)

TABLES = 26
MOST_ROWS = 200
TABLE = re.compile(r"Columns: (.*)\nRows: (\d+)-(\d+)")
COLUMN = re.compile(r"([A-Z])=.* \((number|text)\)")
NUMBER = re.compile(r"-?\d{1,15}(?:\.\d+)?")
#: a column, and the constant that its cells are compared with
CONDITION = re.compile(
    rf'([A-Z])\d+:[A-Z]\d+\s*(?:,|[<>=]+)\s*("(?:[^"]|"")*"|{NUMBER.pattern})'
)
ERROR = re.compile(r"#[A-Z0-9/]+[!?]")
#: no row fits the conditions: a result like others
NOTHING_FOUND = {"#CALC!", "#DIV/0!"}
SHEET = 0
#: where the results begin, to the right of every table
PLACES = (40, 60)
WIDTH = 8

Cell = float | str


def values_of(constant: str) -> list[Cell]:
    """What may stand in a cell that is compared with the constant: `">5"` is 5, `"5"` is a text or a number."""
    is_text = constant.startswith('"')
    text = constant[1:-1].replace('""', '"') if is_text else constant
    criterion = re.sub(r"^[<>]?=?", "", text)
    number: list[Cell] = [float(criterion)] if NUMBER.fullmatch(criterion) else []
    return number + [one for one in sorted({text, criterion} - {""}) if is_text]


def drawn(draw: random.Random, kind: str, own: list[Cell], other: list[Cell]) -> Cell:
    """One cell in two has a constant of its column, one in four is beside one, and the others are of many values."""
    chance = draw.random()
    if chance < 0.5 and own:
        value = draw.choice(own)
    elif chance < 0.75 and other:
        value = draw.choice(other)
    else:
        value = draw.choice([float(draw.randrange(1000)), f"text {draw.randrange(1000)}"])
    near = value + draw.choice([-1, 0, 1]) if chance >= 0.5 and isinstance(value, float) else value
    # columns of texts have numbers, too; formulas even take their sum
    return float(draw.randrange(10)) if kind == "number" and isinstance(near, str) else near


def results(
    asked: Asked, columns: list[tuple[str, str]], first: int, last: int
) -> list[tuple[list[str], list[str]]]:
    """Of both formulas, on each table."""
    formulas = (asked["logged"].strip(), asked["answer"].strip())
    conditions = [found for formula in formulas for found in CONDITION.findall(formula)]
    own = {
        column: [value for at, constant in conditions if at == column for value in values_of(constant)]
        for column, _ in columns
    }
    other = [value for values in own.values() for value in values]
    model = ironcalc.create("table", "en", "UTC", "en")
    found = []
    for seed in range(TABLES):
        draw = random.Random(seed)
        for column, kind in columns:
            for row in range(first, last + 1):
                at = (SHEET, row, ord(column) - ord("A") + 1)
                value = drawn(draw, kind, own[column], other)
                if isinstance(value, float):
                    model.update_cell_with_number(*at, value)
                else:
                    model.update_cell_with_text(*at, value)
        for place, formula in zip(PLACES, formulas, strict=True):
            model.set_user_input(SHEET, 1, place, formula)
        model.evaluate()
        found.append(
            tuple(
                [
                    model.get_formatted_cell_value(SHEET, row, place + beside)
                    for row in range(1, last + 1)
                    for beside in range(WIDTH)
                ]
                for place in PLACES
            )
        )
    return found


def fails(cells: list[str]) -> bool:
    return ERROR.fullmatch(cells[0]) is not None and cells[0] not in NOTHING_FOUND


def compare(asked: Asked) -> Verdict:
    described = TABLE.findall(str(asked["messages"][-1]["content"]))
    if not described or not asked["logged"].lstrip().startswith("="):
        return "none"
    names, first, last = described[-1]
    columns = [found.groups() for name in names.split(" | ") if (found := COLUMN.fullmatch(name))]
    if len(columns) == 0 or not 2 <= int(first) <= int(last) <= MOST_ROWS:
        return "none"
    both = results(asked, columns, int(first), int(last))
    if all(fails(one) for one, _ in both):
        return "none"
    if any(one != other for one, other in both):
        return "different"
    return "same" if len({tuple(one) for one, _ in both}) > 1 else "none"


tell(compare)
