"""`/v1/files`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contract.deps import AppDeps
from contract.disk import storage_error
from contract.errors import EngineError
from contract.files import Upload
from contract.page import list_body, page_query

PURPOSE = "fine-tune"


def _not_multipart() -> EngineError:
    return EngineError("invalid_request", "the body is not multipart/form-data")


async def _read_form(request: Request) -> FormData:
    """Large parts go to a temporary file while they are read."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _not_multipart()
    try:
        return await request.form()
    except HTTPException as error:
        raise _not_multipart() from error
    except OSError as error:
        raise storage_error("the upload cannot be kept", error) from error


@asynccontextmanager
async def _upload(request: Request) -> AsyncIterator[Upload]:
    form = await _read_form(request)
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise EngineError("invalid_request", "the upload has no file", "file")
        if form.get("purpose") != PURPOSE:
            raise EngineError("invalid_request", f"purpose must be {PURPOSE}", "purpose")
        yield Upload(file.filename or "", PURPOSE, file.size or 0, file.file)
    finally:
        await form.close()


def file_routes(deps: AppDeps) -> list[Route]:
    files, jobs = deps.files, deps.jobs

    async def create(request: Request) -> Response:
        async with _upload(request) as upload:
            return JSONResponse(await files.create(upload, jobs.records.is_file_spent))

    async def list_files(request: Request) -> Response:
        purpose = request.query_params.get("purpose")
        stored = files.newest_first()
        wanted = [file for file in stored if not purpose or file["purpose"] == purpose]
        return JSONResponse(list_body(wanted, page_query(request.query_params)))

    async def describe(request: Request) -> Response:
        return JSONResponse(files.get(request.path_params["id"]))

    async def content(request: Request) -> Response:
        body = await files.read(request.path_params["id"])
        return Response(body, media_type="text/plain; charset=utf-8")

    async def delete(request: Request) -> Response:
        file_id = files.get(request.path_params["id"])["id"]
        if jobs.records.needs_file(file_id):
            message = f"a job that has not finished needs file {file_id}"
            raise EngineError("conflict", message)
        await files.remove(file_id)
        return JSONResponse({"id": file_id, "object": "file", "deleted": True})

    return [
        Route("/v1/files", create, methods=["POST"]),
        Route("/v1/files", list_files, methods=["GET"]),
        Route("/v1/files/{id}", describe, methods=["GET"]),
        Route("/v1/files/{id}", delete, methods=["DELETE"]),
        Route("/v1/files/{id}/content", content, methods=["GET"]),
    ]
