"""Token, body limits and errors, around all routes. Knows nothing of what the routes do."""

import hmac
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract.error_body import error_body, status_of, to_engine_error
from contract.errors import EngineError
from contract.log import Log

MULTIPART_ENVELOPE_BYTES = 64 * 1024


def _as_answer(thrown: Exception) -> EngineError:
    if isinstance(thrown, ClientDisconnect):
        return EngineError("client_closed", "the client went away")
    return to_engine_error(thrown)


class Errors:
    """Everything raised becomes an answer with OpenAI's error body."""

    def __init__(self, app: ASGIApp, log: Log) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def noted(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as thrown:
            error = _as_answer(thrown)
            if status_of(error) >= 500:
                fields = {"path": scope.get("path"), "code": error.code, "cause": repr(thrown)}
                self._log("error", error.message, fields)
            if not is_started:
                response = JSONResponse(error_body(error), status_of(error))
                await response(scope, receive, send)


class BearerToken:
    """Compares digests, so that time tells neither content nor length of the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = sha256(f"Bearer {token}".encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("authorization", "")
        digest = sha256(given.encode("latin-1")).digest()
        is_open = scope["path"] == "/healthz"
        if not is_open and not hmac.compare_digest(digest, self._expected):
            raise EngineError(
                "unauthorized", "the bearer token is missing or wrong; it is ENGINE_TOKEN's value"
            )
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a body that says it is too long, and any other while it is read."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, max_file_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_upload_bytes = max_file_bytes + MULTIPART_ENVELOPE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_upload = scope["path"] == "/v1/files"
        limit = self._max_upload_bytes if is_upload else self._max_body_bytes
        read = 0

        def check(size: int) -> None:
            if size > limit:
                raise EngineError("body_too_large", f"the body may have {limit} bytes")

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            check(read)
            return message

        length = Headers(scope=scope).get("content-length", "")
        check(int(length) if length.isascii() and length.isdigit() else 0)
        await self._app(scope, counted, send)
