"""How many tokens are computed at a time. Knows nothing of what is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from errors import TrainingError
from report import Report
from rows import Row

Result = TypeVar("Result")

#: Fewer tokens at a time cost a GPU some of its speed, so memory is freed otherwise before. Weights
#: of 2 bytes are read for each pass: an H100 (990 TFLOP/s, 3.35 TB/s) computes as long as it reads
#: at 296 tokens, and with 4,096 reads a fourteenth of the time.
BUSY_TOKENS = 4096


class TokenBudget:
    """Half as many tokens from the moment on when memory is too small, for the rest of a job."""

    def __init__(self, max_tokens: int, report: Report) -> None:
        self.max_tokens = max_tokens
        self._report = report

    def within(
        self,
        rows: Sequence[Row],
        compute: Callable[[int], Result],
        free_memory: Callable[[], bool] = lambda: False,
    ) -> Result:
        """
        What `compute` gives, which is told the tokens of one pass over the rows. It is called again
        from its beginning, with fewer, as often as memory is too small. Before they are too few to
        keep a GPU busy, `free_memory` is tried, which tells whether it did something.

        Raises TrainingError `internal` when a row alone is too long for the memory.
        """
        while True:
            try:
                return compute(self.max_tokens)
            except torch.OutOfMemoryError as error:
                longest = max((row.length for row in rows), default=0)
                is_freed = self.max_tokens <= max(BUSY_TOKENS, longest) and free_memory()
                if not is_freed:
                    self._refuse_single_row(longest, error)
            # behind the handler: it holds on to the frames that hold the memory
            torch.cuda.empty_cache()
            if not is_freed:
                self._halve()

    def _refuse_single_row(self, longest: int, error: BaseException) -> None:
        if self.max_tokens <= longest:
            raise TrainingError(
                "internal",
                f"memory is too small for a row of {longest} tokens; "
                "use a 4-bit base or a smaller model",
            ) from error

    def _halve(self) -> None:
        self.max_tokens //= 2
        self._report.message(
            "warn", f"out of memory: from now on at most {self.max_tokens} tokens at a time"
        )
