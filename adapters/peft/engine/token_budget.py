"""How many tokens are computed at a time. Knows nothing of what is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from contract.backend import TrainHooks
from contract.errors import EngineError
from engine.rows import TokenizedRow

Result = TypeVar("Result")


class TokenBudget:
    """Half as many tokens from the moment on when memory is too small, for the rest of a job."""

    def __init__(self, max_tokens: int, hooks: TrainHooks) -> None:
        self.max_tokens = max_tokens
        self._hooks = hooks

    def within(self, rows: Sequence[TokenizedRow], compute: Callable[[int], Result]) -> Result:
        """
        What `compute` gives, which is told the tokens of one pass over the rows. It is called again
        from its beginning, with fewer, as often as memory is too small.

        Raises EngineError `internal` when a row alone is too long for the memory.
        """
        while True:
            try:
                return compute(self.max_tokens)
            except torch.OutOfMemoryError as error:
                self._refuse_single_row(max(row.length for row in rows), error)
            # behind the handler: it holds on to the frames that hold the memory
            self._halve()

    def _refuse_single_row(self, longest: int, error: BaseException) -> None:
        if self.max_tokens <= longest:
            raise EngineError(
                "internal",
                f"memory is too small for a row of {longest} tokens; "
                "use gradient checkpointing, a 4-bit base or a smaller model",
            ) from error

    def _halve(self) -> None:
        self.max_tokens //= 2
        torch.cuda.empty_cache()
        self._hooks.on_message(
            "warn", f"out of memory: from now on at most {self.max_tokens} tokens at a time"
        )
