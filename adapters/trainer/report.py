"""
What a training tells: JSON lines on stdout, and in a file where the engine runs on another machine.
It ends when its parent has ended.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from checkpoint import replace_durably
from errors import TrainingError

#: a mounted bucket uploads a file when it has not changed for a second
FILE_SECONDS = 5
#: messages that the file keeps; the last ones
FILE_MESSAGES = 50


class Replaced(Exception):
    """Another run of the task has begun, or the job is over: nothing may be written any more."""


class Report:
    """
    Lines that begin with their `kind`; train.py lists them. `file` gets the last messages, the last
    progress and the end, each with a number that grows, also over the runs of one task.

    The run that has begun last holds the task: a cluster may still run one whose engine was killed
    or whose job was cancelled. It finds another name in the holder's file, or none, and ends.
    """

    _file: Path | None = None

    def __init__(self, file: Path | None = None) -> None:
        """Raises TrainingError `store-unavailable`."""
        self._file = file
        if file is not None:
            self._holder, self._name = file.with_name("holder"), uuid4().hex
            replace_durably(self._holder, self._name.encode())
        self._messages = [] if file is None else read_messages(file)
        self._progress: list[dict[str, Any]] = []
        self._number = max((line["number"] for line in self._messages), default=0)
        #: when progress was
        self._written = -math.inf

    def progress(self, **fields: Any) -> None:
        self._line("progress", **fields)

    def message(self, level: Literal["info", "warn"], message: str) -> None:
        self._line("message", level=level, message=message)

    def trained(self, **fields: Any) -> None:
        self._line("trained", **fields)

    def failed(self, code: str, message: str, *, transient: bool = False) -> None:
        """`transient`: another machine, or the same one later, may get further."""
        with suppress(TrainingError):
            self._line("failed", error={"code": code, "message": message}, transient=transient)

    def check_held(self) -> None:
        """Before anything of the task is written. Raises Replaced."""
        if self._file is None:
            return
        try:
            is_held = self._holder.read_text("utf-8") == self._name
        except FileNotFoundError:
            is_held = False
        except OSError:
            # the folder is away, and may come back
            is_held = True
        if not is_held:
            raise Replaced

    def _line(self, kind: str, **fields: Any) -> None:
        line = {"kind": kind, **fields}
        try:
            print(json.dumps(line), flush=True)
        except BrokenPipeError:
            # the parent is gone, and nothing may be said any more, also not when Python ends
            os._exit(1)
        if self._file is not None:
            self._keep({**line, "number": self._number + 1})

    def _keep(self, line: dict[str, Any]) -> None:
        """
        A bucket cannot append, so the file is replaced. One that cannot be written now is written
        with the next line; only an end has none. Raises TrainingError `store-unavailable` then, and
        Replaced.
        """
        self._number = line["number"]
        if line["kind"] == "progress":
            self._progress = [line]
            if time.monotonic() - self._written < FILE_SECONDS:
                return
            self._written = time.monotonic()
        elif line["kind"] == "message":
            self._messages = [*self._messages, line][-FILE_MESSAGES:]
        self.check_held()
        is_end = line["kind"] in ("trained", "failed")
        lines = [*self._messages, *self._progress, *([line] if is_end else [])]
        lines.sort(key=lambda one: one["number"])
        try:
            replace_durably(self._file, "".join(f"{json.dumps(one)}\n" for one in lines).encode())
        except TrainingError:
            if is_end:
                raise


def read_messages(file: Path) -> list[dict[str, Any]]:
    """
    What an earlier run of the task has left, as messages: its progress and its end are none of
    this run's, but their numbers are taken. Empty when nothing can be read.
    """
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        last = max(line["number"] for line in lines)
        messages = [line for line in lines if line["kind"] == "message"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    started = {"kind": "message", "level": "info", "message": "the training was started again"}
    return [*messages, {**started, "number": last + 1}][-FILE_MESSAGES:]


def end_with_parent() -> None:
    """Ends this process as soon as stdin is closed."""

    def wait() -> None:
        # not through sys.stdin, whose lock this thread would hold when the process exits
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
