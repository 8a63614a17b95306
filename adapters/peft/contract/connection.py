"""Work for a client that may go away, and events sent to one. Knows nothing of chats."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from contract.errors import EngineError

Result = TypeVar("Result")

EVENT_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
]


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """
    The work's result. A client that goes away cancels it; it has ended when this raises.

    Raises EngineError `client_closed`.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise EngineError("client_closed", "the client went away")
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


class EventStream(Response):
    """
    Server-sent events. Head and first event go out together, so that an error before the first
    event still has a status of its own.
    """

    def __init__(self, events: AsyncGenerator[str, None]) -> None:
        self.status_code = 200
        self.background = None
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        is_started = False
        async with aclosing(self._events) as events:
            async for event in events:
                if not is_started:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": EVENT_STREAM_HEADERS,
                        }
                    )
                    is_started = True
                body = f"data: {event}\n\n".encode()
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
