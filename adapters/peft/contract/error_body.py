"""OpenAI's error body and the table from codes to HTTP statuses."""

from typing import Any

from contract.errors import EngineError

STATUS = {
    "invalid_request": 400,
    "context_length_exceeded": 400,
    "unauthorized": 401,
    "not_found": 404,
    "conflict": 409,
    "body_too_large": 413,
    "client_closed": 499,
    "invalid_config": 500,
    "invalid_model": 500,
    "internal": 500,
    "overloaded": 503,
    "engine_unavailable": 503,
    "store_unavailable": 503,
}


def status_of(error: EngineError) -> int:
    return STATUS.get(error.code, 500)


def to_engine_error(error: BaseException) -> EngineError:
    """Anything raised, as an EngineError: what nobody expected is `internal`."""
    if isinstance(error, EngineError):
        return error
    return EngineError("internal", str(error) or type(error).__name__)


def _error_type(status: int) -> str:
    if status == 401:
        return "authentication_error"
    return "invalid_request_error" if status < 500 else "server_error"


def error_body(error: EngineError) -> dict[str, Any]:
    return {
        "error": {
            "message": error.message,
            "type": _error_type(status_of(error)),
            "param": error.param,
            "code": error.code,
        }
    }
