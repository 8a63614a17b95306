"""Logging as the engine needs it: a function handed in, and the one that the process uses."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

LEVELS = ["debug", "info", "warn", "error", "silent"]


class Log(Protocol):
    def __call__(
        self, level: str, message: str, fields: Mapping[str, Any] | None = None, **more: Any
    ) -> None: ...


def json_log(engine: str, least: str = "info", stream: TextIO | None = None) -> Log:
    """
    JSON lines on stderr, or on `stream`.

    `least`: lower levels are not written; `info` when it is none of LEVELS.
    """
    lowest = LEVELS.index(least if least in LEVELS else "info")

    def write(
        level: str, message: str, fields: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        if LEVELS.index(level) < lowest:
            return
        at = int(time.time() * 1000)
        line = {"level": level, "at": at, "engine": engine, "message": message}
        text = json.dumps({**line, **(fields or {}), **more}, default=str)
        # one write: lines of several threads must not mix
        (stream or sys.stderr).write(f"{text}\n")

    return write


class LogHandler(logging.Handler):
    """What libraries log, in the engine's format."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warn"
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["cause"] = logging.Formatter().formatException(record.exc_info)
        self._log(level, record.getMessage(), fields)
