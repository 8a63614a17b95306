"""How many tokens are computed at a time. Knows nothing of what is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from errors import TrainingError
from report import Report
from rows import Row

Result = TypeVar("Result")

#: With fewer tokens at a time, activations are computed twice before. That takes a third more time
#: (6 operations a weight and token instead of 4). An H100 (990 TFLOP/s, 3.35 TB/s) computes as long
#: as it reads weights at 296 tokens; but a prefix of 800 tokens, which each pass computes again, is
#: a fifth of a pass of 4,096 and two fifths of one of 2,048, which is a third more time, too.
BUSY_TOKENS = 2048


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
