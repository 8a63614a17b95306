"""`/v1/models`, and the two routes that OpenAI lacks: `/v1/tokenize` and `/v1/loss`."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contract.backend import Backend
from contract.deps import AppDeps
from contract.errors import EngineError
from contract.validation import (
    STRICT,
    Messages,
    ModelName,
    RowShape,
    not_empty,
    parse_json,
    parse_with,
)


class _TokenizeShape(BaseModel):
    model_config = STRICT
    model: ModelName
    messages: Messages = Field(default_factory=list)
    prompt: str = ""


class _LossShape(BaseModel):
    model_config = STRICT
    model: ModelName
    rows: Annotated[list[RowShape], AfterValidator(not_empty)]


_TOKENIZE = TypeAdapter(_TokenizeShape)
_LOSS = TypeAdapter(_LossShape)


def _parse_tokenize(body: bytes) -> _TokenizeShape:
    shape = parse_with(_TOKENIZE, parse_json(body))
    given = shape.model_fields_set & {"messages", "prompt"}
    if len(given) != 1:
        raise EngineError("invalid_request", "needs either messages or prompt")
    return shape


def find_model(backend: Backend, model: str) -> dict:
    """The contract's model object. Raises EngineError `not_found`."""
    for candidate in backend.models():
        if candidate["id"] == model:
            return candidate
    raise EngineError("not_found", f"no model {model}", "model")


def model_routes(deps: AppDeps) -> list[Route]:
    backend, jobs = deps.backend, deps.jobs

    async def list_models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": backend.models()})

    async def describe(request: Request) -> Response:
        return JSONResponse(find_model(backend, request.path_params["id"]))

    async def delete(request: Request) -> Response:
        model = find_model(backend, request.path_params["id"])
        model_id = model["id"]
        if model.get("parent") is None:
            message = f"{model_id} is a base model and stays"
            raise EngineError("invalid_request", message, "model")
        if jobs.records.needs_model(model_id):
            message = f"a job that has not finished starts from {model_id}"
            raise EngineError("conflict", message)
        await backend.delete_model(model_id)
        return JSONResponse({"id": model_id, "object": "model", "deleted": True})

    async def tokenize(request: Request) -> Response:
        shape = _parse_tokenize(await request.body())
        model = find_model(backend, shape.model)
        prompt = [one.message() for one in shape.messages] or shape.prompt
        count = await backend.count_tokens(shape.model, prompt)
        return JSONResponse({"count": count, "max_model_len": model.get("max_model_len")})

    async def loss(request: Request) -> Response:
        shape = parse_with(_LOSS, parse_json(await request.body()))
        find_model(backend, shape.model)
        losses, tokens = await backend.loss(shape.model, [row.row() for row in shape.rows])
        return JSONResponse({"losses": losses, "tokens": tokens})

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        # a model's id may have slashes
        Route("/v1/models/{id:path}", describe, methods=["GET"]),
        Route("/v1/models/{id:path}", delete, methods=["DELETE"]),
        Route("/v1/tokenize", tokenize, methods=["POST"]),
        Route("/v1/loss", loss, methods=["POST"]),
    ]
