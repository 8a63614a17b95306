"""What a training tells its parent: JSON lines on stdout. It ends when its parent has ended."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any, Literal


class Report:
    """Lines that begin with their `kind`; train.py lists them."""

    def progress(self, **fields: Any) -> None:
        self._line("progress", **fields)

    def message(self, level: Literal["info", "warn"], message: str) -> None:
        self._line("message", level=level, message=message)

    def trained(self, **fields: Any) -> None:
        self._line("trained", **fields)

    def failed(self, code: str, message: str) -> None:
        self._line("failed", error={"code": code, "message": message})

    def _line(self, kind: str, **fields: Any) -> None:
        try:
            print(json.dumps({"kind": kind, **fields}), flush=True)
        except BrokenPipeError:
            # the parent is gone, and nothing may be said any more, also not when Python ends
            os._exit(1)


def end_with_parent() -> None:
    """Ends this process as soon as stdin is closed."""

    def wait() -> None:
        # not through sys.stdin, whose lock this thread would hold when the process exits
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
