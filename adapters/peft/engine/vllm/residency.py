"""
Which loras a server has loaded: few, the least recently used gives way once its requests are over,
and comes back when it is asked for. Knows nothing of how a lora is loaded.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

Change = Callable[[str], Awaitable[None]]


class _Resident:
    def __init__(self, incarnation: Hashable) -> None:
        self.incarnation = incarnation
        self.users = 0
        #: takes no more requests
        self.leaving = False
        self.idle = asyncio.Event()
        self.idle.set()

    def enter(self) -> None:
        self.users += 1
        self.idle.clear()

    def leave(self) -> None:
        self.users -= 1
        if self.users == 0:
            self.idle.set()


class Residency:
    """
    `load` loads a lora and proves it, `unload` forgets it. What was loaded is good as long as
    `incarnation` stays the same: a server that was started anew has none of it.
    """

    def __init__(
        self, *, load: Change, unload: Change, incarnation: Callable[[], Hashable], max_loras: int
    ) -> None:
        self._load = load
        self._unload = unload
        self._incarnation = incarnation
        self._max_loras = max_loras
        #: the least recently used first
        self._residents: OrderedDict[str, _Resident] = OrderedDict()
        #: one change at a time
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def use(self, lora: str) -> AsyncIterator[None]:
        """The lora is loaded and stays so inside. Raises what loading raises."""
        resident = await self._entered(lora)
        self._residents.move_to_end(lora)
        try:
            yield
        finally:
            resident.leave()

    async def drop(self, lora: str) -> None:
        """Unloads a lora, if it is there, after its requests."""
        async with self._changing:
            await self._remove(lora)

    async def _entered(self, lora: str) -> _Resident:
        resident = self._usable(lora)
        if resident is not None:
            resident.enter()
            return resident
        bringing = asyncio.create_task(self._bring(lora))
        try:
            # a request that is given up leaves no half-made change behind
            return await asyncio.shield(bringing)
        except asyncio.CancelledError:
            bringing.add_done_callback(_leave_again)
            raise

    def _usable(self, lora: str) -> _Resident | None:
        resident = self._residents.get(lora)
        if resident is None or resident.leaving or resident.incarnation != self._incarnation():
            return None
        return resident

    async def _bring(self, lora: str) -> _Resident:
        """Loaded and entered: the next change must not take it away before it was used."""
        async with self._changing:
            resident = self._usable(lora)
            if resident is None:
                self._forget_former()
                while len(self._residents) >= self._max_loras:
                    await self._remove(self._next_to_leave())
                resident = _Resident(self._incarnation())
                await self._load(lora)
                self._residents[lora] = resident
            resident.enter()
            return resident

    def _forget_former(self) -> None:
        now = self._incarnation()
        former = [lora for lora, one in self._residents.items() if one.incarnation != now]
        for lora in former:
            del self._residents[lora]

    def _next_to_leave(self) -> str:
        """The least recently used that is idle, or that has requests if all have."""
        idle = (lora for lora, resident in self._residents.items() if resident.users == 0)
        return next(idle, next(iter(self._residents)))

    async def _remove(self, lora: str) -> None:
        resident = self._residents.get(lora)
        if resident is None:
            return
        resident.leaving = True
        await resident.idle.wait()
        # its server may be gone, and the lora with it
        self._residents.pop(lora, None)
        if resident.incarnation == self._incarnation():
            await self._unload(lora)


def _leave_again(bringing: asyncio.Task[_Resident]) -> None:
    """For a request that was given up while its lora was loaded; nobody hears of a failure."""
    if not bringing.cancelled() and bringing.exception() is None:
        bringing.result().leave()
