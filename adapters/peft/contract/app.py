"""
The engine contract over HTTP (docs/contract.md): a thin Starlette app on top of a backend, a file
store and a job queue. Knows nothing of models and of ports.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contract.chat_routes import chat_routes
from contract.deps import AppDeps
from contract.error_body import error_body, status_of
from contract.errors import EngineError
from contract.file_routes import file_routes
from contract.job_routes import job_routes
from contract.middleware import BearerToken, BodyLimit, Errors
from contract.model_routes import model_routes


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _no_route(request: Request, _: Exception) -> Response:
    """Also for a path that exists with another method."""
    error = EngineError("not_found", f"no route {request.method} {request.url.path}")
    return JSONResponse(error_body(error), status_of(error))


def create_app(deps: AppDeps) -> Starlette:
    """The ASGI app; errors have OpenAI's format."""
    limits = deps.limits
    routes = [
        Route("/healthz", _health, methods=["GET"]),
        *file_routes(deps),
        *job_routes(deps),
        *model_routes(deps),
        *chat_routes(deps),
    ]
    middleware = [
        Middleware(Errors, log=deps.log),
        Middleware(BearerToken, token=deps.token),
        Middleware(
            BodyLimit,
            max_body_bytes=limits.max_body_bytes,
            max_file_bytes=limits.max_file_bytes,
        ),
    ]
    handlers = {HTTPException: _no_route}
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    # a path with a slash too many is another path, not a redirect
    app.router.redirect_slashes = False
    return app
