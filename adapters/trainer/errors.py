"""What a training fails with, as the last line of its report says it."""

from __future__ import annotations


class TrainingError(Exception):
    """`code` is one of the engine contract's: `invalid-model`, `invalid-request`, `internal` …"""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
