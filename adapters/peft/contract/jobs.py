"""
The job queue: takes requests, runs them one at a time (or as many as configured), resumes what a
crash interrupted. Knows nothing of HTTP and of how a model is trained.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contract.backend import TrainResult
from contract.error_body import to_engine_error
from contract.errors import EngineError
from contract.job_ends import JobEnds
from contract.job_events import finite
from contract.job_records import JobRecords
from contract.job_request import JobRequest, find_by_key, parse_job_request
from contract.job_runner import Abort, JobData, RunDeps, read_rows, train_job
from contract.job_store import Job, JobRecord, new_record


@dataclass(frozen=True)
class QueueLimits:
    max_running: int = 1
    """jobs that train at the same time"""
    max_unfinished: int = 100
    """queued and running jobs; more are refused"""
    max_finished: int = 1000
    """finished jobs that are remembered; the oldest are forgotten"""
    max_resumes: int = 10
    """restarts without getting any further before a job counts as failed"""


@dataclass(frozen=True)
class _Running:
    abort: Abort
    done: asyncio.Task[None]


class JobQueue:
    """Open it with `open_queue`; `records` has what it knows."""

    def __init__(
        self,
        deps: RunDeps,
        new_id: Callable[[], str],
        limits: QueueLimits,
        records: JobRecords,
    ) -> None:
        self._deps = deps
        self._store = deps.events.store
        self._new_id = new_id
        self._limits = limits
        self.records = records
        self._running: dict[str, _Running] = {}
        self._ends = JobEnds(deps.events)
        # one after the other, so that two requests with one key cannot both find nothing
        self._creating = asyncio.Lock()
        self._is_closed = False

    async def create(self, body: Any) -> Job:
        """
        Durable when it returns. A job with the same `metadata.idempotency_key` that has neither
        failed nor been cancelled is returned instead of a new one.

        Raises EngineError `invalid_request`, `context_length_exceeded`, `not_found`, `conflict`
        when the key belongs to a job of another model, `overloaded`, `store_unavailable`.
        """
        request = parse_job_request(body)
        async with self._creating:
            return await self._create_checked(request)

    async def events(self, job_id: str) -> list[dict[str, Any]]:
        """Oldest first. Raises EngineError `not_found`, `store_unavailable`."""
        self.records.get(job_id)
        return await self._store.events(job_id)

    async def cancel(self, job_id: str) -> Job:
        """
        A running job counts as cancelled at once; its place in the queue is free when the backend
        has stopped. Cancelling twice is harmless.

        Raises EngineError `not_found`, `conflict` when the job has succeeded or failed.
        """
        record = self.records.get(job_id)
        status = record.job["status"]
        if status == "cancelled":
            return record.job
        if record.is_finished:
            message = f"job {job_id} has {status} and cannot be cancelled"
            raise EngineError("conflict", message)
        await self._ends.write(record, "Cancelled", status="cancelled")
        if job_id in self._running:
            self._running[job_id].abort.set()
        if record.job["status"] == "succeeded":
            raise EngineError("conflict", f"job {job_id} has succeeded meanwhile")
        return record.job

    async def start(self) -> None:
        """Takes up what a crash interrupted and starts what is queued."""
        for record in self.records:
            await self._recover(record)
        self._start_next()

    async def close(self) -> None:
        """Stops training without an end: running jobs go on when the store is opened again."""
        self._is_closed = True
        async with self._creating:
            running = list(self._running.values())
        for one in running:
            one.abort.set()
        await asyncio.gather(*(one.done for one in running))

    async def _create_checked(self, request: JobRequest) -> Job:
        if self._is_closed:
            raise EngineError("overloaded", "the engine is shutting down")
        existing = find_by_key((record.job for record in self.records), request)
        if existing is not None:
            return existing
        if len(self.records.unfinished()) >= self._limits.max_unfinished:
            message = f"{self._limits.max_unfinished} jobs are waiting already"
            raise EngineError("overloaded", message)
        files = (request.training_file, request.validation_file)
        await read_rows(self._deps, JobData(request.model, request.method, *files))
        job_id, created_at = f"ftjob-{self._new_id()}", int(self._deps.events.now())
        record = new_record(request, job_id, created_at, self.records.next_sequence())
        await self._store.save(record)
        self.records.add(record)
        await self._forget_oldest()
        self._start_next()
        return record.job

    async def _forget_oldest(self) -> None:
        finished = self.records.finished()
        for record in finished[: max(0, len(finished) - self._limits.max_finished)]:
            self.records.remove(record)
            await self._store.remove(record.id)

    async def _recover(self, record: JobRecord) -> None:
        """A job that ran when the process died goes on, unless it keeps dying at one place."""
        # killed between its end and the removal
        await self._remove_checkpoint(record)
        if record.job["status"] != "running":
            return
        record.resumes += 1
        if record.resumes <= self._limits.max_resumes:
            record.job = {**record.job, "status": "queued"}
            return
        times = f"interrupted {record.resumes} times"
        message = f"{times} without getting past step {record.best_step}"
        error = {"code": "internal", "message": message, "param": None}
        await self._ends.write(record, message, status="failed", error=error)
        await self._remove_checkpoint(record)

    def _start_next(self) -> None:
        for record in self.records.queued()[: self._limits.max_running - len(self._running)]:
            if self._is_closed:
                return
            record.job = {**record.job, "status": "running"}
            abort = Abort()
            done = asyncio.create_task(self._run(record, abort))
            self._running[record.id] = _Running(abort, done)

    async def _run(self, record: JobRecord, abort: Abort) -> None:
        try:
            await self._store.save(record)
            result = await train_job(
                self._deps, record, abort, is_live=lambda: self._ends.is_open(record)
            )
            await self._succeed(record, result)
        except Exception as thrown:
            # aborted: by `cancel`, which has written the end, or by `close`, and then it goes on
            if not record.is_finished and not self._is_closed:
                await self._fail(record, to_engine_error(thrown))
        finally:
            await self._remove_checkpoint(record)
            del self._running[record.id]
            self._start_next()

    async def _fail(self, record: JobRecord, error: EngineError) -> None:
        fields = {"job": record.id, "code": error.code, "error": error.message}
        self._deps.events.log("error", "job failed", fields)
        body = {"code": error.code, "message": error.message, "param": error.param}
        await self._ends.write(record, error.message, status="failed", error=body)

    async def _succeed(self, record: JobRecord, result: TrainResult) -> None:
        await self._ends.write(
            record,
            f"Succeeded: {result.model}",
            status="succeeded",
            fine_tuned_model=result.model,
            trained_tokens=result.trained_tokens,
            result_metrics={name: finite(value) for name, value in result.metrics.items()},
        )
        if record.job["status"] == "cancelled":
            await self._discard(result.model)

    async def _remove_checkpoint(self, record: JobRecord) -> None:
        """What a job needs no more; one whose end is not on disk will be run again and needs it."""
        if not self._ends.is_on_disk(record):
            return
        try:
            await self._store.remove_checkpoint(record.id)
        except OSError as failure:
            fields = {"job": record.id, "error": str(failure)}
            self._deps.events.log("warn", "checkpoint cannot be removed", fields)

    async def _discard(self, model: str) -> None:
        """A lora of a job cancelled at the last moment; equal weights may be another job's."""
        if not self.records.has_made(model):
            await self._deps.backend.delete_model(model)


async def open_queue(
    deps: RunDeps, new_id: Callable[[], str], limits: QueueLimits | None = None
) -> JobQueue:
    """
    Loads all jobs, takes up what a crash interrupted and starts what is queued.

    Raises EngineError `store_unavailable`.
    """
    records = JobRecords(await deps.events.store.load())
    queue = JobQueue(deps, new_id, limits or QueueLimits(), records)
    await queue.start()
    return queue
