"""`/v1/fine_tuning/jobs`."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contract.deps import AppDeps
from contract.errors import EngineError
from contract.page import list_body, page_query
from contract.validation import parse_json


def _metadata_filter(params: Mapping[str, str]) -> dict[str, str]:
    """`?metadata[key]=value&…`, as OpenAI's clients write it."""
    matches = ((re.fullmatch(r"metadata\[(.+)\]", name), value) for name, value in params.items())
    return {match[1]: value for match, value in matches if match}


def _is_ascending(params: Mapping[str, str]) -> bool:
    order = params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise EngineError("invalid_request", "order: must be asc or desc", "order")
    return order == "asc"


def job_routes(deps: AppDeps) -> list[Route]:
    jobs = deps.jobs

    async def create(request: Request) -> Response:
        return JSONResponse(await jobs.create(parse_json(await request.body())))

    async def list_jobs(request: Request) -> Response:
        params = request.query_params
        found = jobs.records.find(_metadata_filter(params))
        return JSONResponse(list_body(found, page_query(params)))

    async def describe(request: Request) -> Response:
        return JSONResponse(jobs.records.get(request.path_params["id"]).job)

    async def cancel(request: Request) -> Response:
        return JSONResponse(await jobs.cancel(request.path_params["id"]))

    async def events(request: Request) -> Response:
        query = page_query(request.query_params)
        is_ascending = _is_ascending(request.query_params)
        oldest_first = await jobs.events(request.path_params["id"])
        items = oldest_first if is_ascending else oldest_first[::-1]
        return JSONResponse(list_body(items, query))

    path = "/v1/fine_tuning/jobs"
    return [
        Route(path, create, methods=["POST"]),
        Route(path, list_jobs, methods=["GET"]),
        Route(path + "/{id}", describe, methods=["GET"]),
        Route(path + "/{id}/cancel", cancel, methods=["POST"]),
        Route(path + "/{id}/events", events, methods=["GET"]),
    ]
