"""
One job's way through a backend: rows read and checked, progress reported. Knows nothing of the
queue and of what becomes of the result.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from contract.backend import Backend, Row, TrainInput, TrainProgress, TrainResult
from contract.errors import EngineError
from contract.files import FileStore
from contract.job_events import EventOptions, EventWriter
from contract.job_store import JobRecord
from contract.validation import parse_rows

Result = TypeVar("Result")


@dataclass(frozen=True)
class RunDeps:
    backend: Backend
    files: FileStore
    events: EventOptions


@dataclass(frozen=True)
class JobData:
    """What decides which rows a job reads and whether they fit."""

    model: str
    method: str
    training_file: str
    validation_file: str | None


class Aborted(Exception):
    """The job's training was stopped from outside."""


class Abort:
    """A wish to stop that reaches a training before it starts or while it runs."""

    def __init__(self) -> None:
        self._is_set = False
        self._work: asyncio.Task[Any] | None = None

    def set(self) -> None:
        """Harmless when repeated: a second one must not cut off the last checkpoint."""
        if self._work is not None and not self._is_set:
            self._work.cancel()
        self._is_set = True

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Raises Aborted."""
        if self._is_set:
            work.close()
            raise Aborted
        self._work = asyncio.create_task(work)
        try:
            return await self._work
        except asyncio.CancelledError:
            if self._is_set:
                raise Aborted from None
            raise


def _check_method(backend: Backend, data: JobData, rows: list[Row]) -> None:
    """Raises EngineError `invalid_request`: the engine lacks the method, or rows lack a teacher."""
    models = (model for model in backend.models() if model["id"] == data.model)
    known = next(models, {}).get("training_methods", [])
    if data.method not in known:
        message = f"{data.model} is trained by {', '.join(known)} only"
        raise EngineError("invalid_request", message, "method")
    if data.method != "self-distillation":
        return
    for number, row in enumerate(rows, 1):
        if row.teacher_messages is None:
            place = f"file {data.training_file}, row {number}"
            message = f"{place}: {data.method} needs teacher_messages"
            raise EngineError("invalid_request", message, "training_file")


async def _read_file(deps: RunDeps, model: str, file_id: str, param: str) -> list[Row]:
    content = await deps.files.read(file_id)
    rows = await asyncio.to_thread(parse_rows, content, file_id, param)
    if not rows:
        raise EngineError("invalid_request", f"file {file_id} has no rows", param)
    await deps.backend.validate_training(model, rows)
    return rows


async def read_rows(deps: RunDeps, data: JobData) -> tuple[list[Row], list[Row]]:
    """
    Rows and validation rows, checked against the model.

    Raises EngineError `invalid_request` with the line at fault, `context_length_exceeded`,
    `not_found`.
    """
    rows = await _read_file(deps, data.model, data.training_file, "training_file")
    _check_method(deps.backend, data, rows)
    if data.validation_file is None:
        return rows, []
    valid = await _read_file(deps, data.model, data.validation_file, "validation_file")
    return rows, valid


def _note_progress(record: JobRecord, step: int) -> None:
    """How far training got, so that a job that dies at one place again and again is seen."""
    if step > record.best_step:
        record.best_step = step
        record.resumes = 0


class _Report:
    """TrainHooks that write events and the record, one after the other, behind the training."""

    def __init__(
        self, deps: RunDeps, record: JobRecord, writer: EventWriter, is_live: Callable[[], bool]
    ) -> None:
        self._events = deps.events
        self._record = record
        self._writer = writer
        self._is_live = is_live
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Coroutine[Any, Any, None] | None] = asyncio.Queue()
        self._writing = asyncio.create_task(self._write_all())

    def on_progress(self, progress: TrainProgress) -> None:
        _note_progress(self._record, progress.step)
        self._put(self._write_progress(progress))

    def on_message(self, level: Literal["info", "warn"], message: str) -> None:
        self._put(self._writer.message(level, message))

    async def close(self) -> None:
        """Returns when everything reported is on disk."""
        self._put(None)
        await self._writing

    def _put(self, work: Coroutine[Any, Any, None] | None) -> None:
        # a backend may report from the thread that trains
        self._loop.call_soon_threadsafe(self._queue.put_nowait, work)

    async def _write_all(self) -> None:
        while (work := await self._queue.get()) is not None:
            try:
                await work
            except Exception as error:
                fields = {"job": self._record.id, "error": str(error)}
                self._events.log("warn", "progress cannot be saved", fields)

    async def _write_progress(self, progress: TrainProgress) -> None:
        if self._is_live() and await self._writer.metrics(progress) and self._is_live():
            await self._events.store.save(self._record)


def _train_input(
    deps: RunDeps, record: JobRecord, rows: list[Row], validation_rows: list[Row]
) -> TrainInput:
    job = record.job
    return TrainInput(
        model=job["model"],
        rows=rows,
        validation_rows=validation_rows,
        method=job["method"]["type"],
        hyperparameters=job["hyperparameters"],
        seed=job["seed"],
        suffix=record.suffix,
        metadata=job["metadata"],
        checkpoint_dir=deps.events.store.checkpoint_dir(record.id),
    )


async def train_job(
    deps: RunDeps, record: JobRecord, abort: Abort, is_live: Callable[[], bool]
) -> TrainResult:
    """
    Trains the job to its end, from its checkpoint when there is one.

    `is_live`: false as soon as the job's end is being written: nothing may be written after it.
    Raises whatever the backend raises, and Aborted.
    """
    job = record.job
    data = JobData(
        job["model"], job["method"]["type"], job["training_file"], job["validation_file"]
    )
    rows, validation_rows = await abort.run(read_rows(deps, data))
    writer = EventWriter(deps.events, record.id)
    started = "Resumed after a restart" if record.resumes > 0 else "Started"
    if is_live():
        await writer.message("info", started, always=True)
    report = _Report(deps, record, writer, is_live)
    try:
        task = _train_input(deps, record, rows, validation_rows)
        return await abort.run(deps.backend.train(task, report))
    finally:
        # nothing of this job may still be on its way to disk when its end is written
        await report.close()
