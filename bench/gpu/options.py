"""The command line of `bench/gpu.sh`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from gpu.arms import ARMS
from gpu.shapes import SHAPES

ARM_NAMES = tuple(arm.name for arm in ARMS)
PARTS = ("contract", "training", "serving", "loop")
PUBLISHED = "qwen3-0.6b,qwen3-4b,qwen3-8b"


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/gpu.sh", description="Measures the Python engine; README of adapters/peft."
    )
    add = parser.add_argument
    add("--model", action="append", default=[], type=Path, metavar="FOLDER", help="repeatable")
    add(
        "--shapes",
        type=_shapes,
        metavar="LIST",
        help=f"random weights in these shapes, of {', '.join(SHAPES)}; "
        f"default {PUBLISHED} where no --model is given",
    )
    add("--device", choices=("cuda", "cpu"), help="default: cuda where there is one")
    add("--parts", type=_parts, default=PARTS, metavar="LIST", help=f"of {','.join(PARTS)}")
    add("--arms", type=_arms, default=ARM_NAMES, metavar="LIST", help=f"of {','.join(ARM_NAMES)}")
    add("--out", type=Path, metavar="FILE.json")
    add("--data", type=Path, metavar="FOLDER", help="task of the whole loop")
    add(
        "--loop-options",
        type=shlex.split,
        default=[],
        metavar="TEXT",
        help="of npm run bench:task, such as '--train 500 --arms none'",
    )
    add("--work-dir", type=Path, metavar="FOLDER", help="keeps the random weights for next time")
    add("--rounds", type=int, default=3)
    add("--warmup", type=int, default=3, help="optimizer steps before those that count")
    add("--steps", type=int, default=10, help="optimizer steps that count, of every process")
    add("--batch", type=int, default=16, help="rows of an optimizer step")
    add("--rank", type=int, default=16)
    add("--prefix-tokens", type=int, default=800)
    add("--query-tokens", type=int, default=20)
    add("--answer-tokens", type=int, default=20)
    add("--max-tokens", type=int, default=4096, help="of one forward and backward pass")
    add("--concurrency", type=_numbers, default=(1, 32, 256), metavar="LIST")
    add("--requests", type=int, default=32, help="at least so many requests of every run")
    add("--peak-tflops", type=float, help="of a card that bench/gpu/peaks.py does not have")
    options = parser.parse_args(arguments)
    if options.shapes is None:
        options.shapes = [] if options.model else _shapes(PUBLISHED)
    return options


def _list(text: str) -> list[str]:
    return [item for item in text.split(",") if item]


def _shapes(text: str) -> list[str]:
    return _known(text, SHAPES, "shape")


def _parts(text: str) -> list[str]:
    return _known(text, PARTS, "part")


def _arms(text: str) -> list[str]:
    return _known(text, ARM_NAMES, "arm of training")


def _known(text: str, known: Sequence[str], what: str) -> list[str]:
    for item in _list(text):
        if item not in known:
            raise argparse.ArgumentTypeError(f"no {what} {item}; there are {', '.join(known)}")
    return _list(text)


def _numbers(text: str) -> list[int]:
    try:
        return [int(item) for item in _list(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no list of numbers") from error
