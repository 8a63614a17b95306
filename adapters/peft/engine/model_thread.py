"""
One thread that computes with a model, a piece at a time, for many callers in turn. Work is an
iterator: each `next` is one piece, None has nothing to hand over. Who leaves the loop ends the work
before its next piece. Knows nothing of models.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from contract.errors import EngineError

Item = TypeVar("Item")


@dataclass
class _Work:
    pieces: Iterator[Any]
    #: called in the thread with one of ('item', value), ('end', None), ('error', exception)
    deliver: Callable[[tuple[str, Any]], None]
    left: bool = False


class ModelThread(Generic[Item]):
    """At most `max_running` take turns, `max_waiting` more wait for a place."""

    def __init__(self, *, max_running: int = 8, max_waiting: int = 256) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._running: deque[_Work] = deque()
        self._waiting: deque[_Work] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
        self._thread.start()

    async def run(self, pieces: Iterator[Item | None]) -> AsyncGenerator[Item, None]:
        """
        The items of the work as they come.

        Raises what the work raises; EngineError `overloaded`, `engine_unavailable`.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        work = _Work(pieces, lambda event: loop.call_soon_threadsafe(events.put_nowait, event))
        self._add(work)
        try:
            while True:
                kind, value = await events.get()
                if kind == "end":
                    return
                if kind == "error":
                    raise value
                yield value
        finally:
            work.left = True

    async def result(self, pieces: Iterator[Item | None]) -> Item:
        """The last item of the work."""
        last: list[Item] = []
        async for item in self.run(pieces):
            last = [item]
        return last[0]

    async def close(self) -> None:
        """Ends after the current piece; work that is left fails with `engine_unavailable`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _add(self, work: _Work) -> None:
        with self._changed:
            if self._closed:
                raise EngineError("engine_unavailable", "the engine is shutting down")
            if len(self._waiting) >= self._max_waiting:
                raise EngineError(
                    "overloaded", f"{self._max_waiting} requests are waiting already; try later"
                )
            self._waiting.append(work)
            self._changed.notify()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            if self._step(work):
                self._running.append(work)
        for work in [*self._running, *self._waiting]:
            error = EngineError("engine_unavailable", "the engine is shutting down")
            _hand_over(work, ("error", error))

    def _next(self) -> _Work | None:
        with self._changed:
            while not self._closed and not self._running and not self._waiting:
                self._changed.wait()
            if self._closed:
                return None
            while self._waiting and len(self._running) < self._max_running:
                self._running.append(self._waiting.popleft())
            return self._running.popleft()

    @staticmethod
    def _step(work: _Work) -> bool:
        """One piece; true when more may follow."""
        if work.left:
            work.pieces.close() if hasattr(work.pieces, "close") else None
            return False
        try:
            item = next(work.pieces)
        except StopIteration:
            _hand_over(work, ("end", None))
            return False
        except Exception as error:  # it is the caller's, whatever it is
            _hand_over(work, ("error", error))
            return False
        return item is None or _hand_over(work, ("item", item))


def _hand_over(work: _Work, event: tuple[str, Any]) -> bool:
    try:
        work.deliver(event)
    except RuntimeError:
        # the caller's event loop is closed
        return False
    return True
