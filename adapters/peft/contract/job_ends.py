"""How jobs end: once, and on disk before anybody sees it. Knows nothing of the queue."""

import asyncio
from typing import Any

from contract.error_body import to_engine_error
from contract.job_events import EventOptions, EventWriter
from contract.job_store import JobRecord


class JobEnds:
    def __init__(self, options: EventOptions) -> None:
        self._options = options
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._unwritten: set[str] = set()

    def is_open(self, record: JobRecord) -> bool:
        """Whether the job has neither an end nor one that is being written."""
        return not record.is_finished and record.id not in self._writing

    def is_on_disk(self, record: JobRecord) -> bool:
        """Whether the next start will find the job finished."""
        return record.is_finished and record.id not in self._unwritten

    async def write(self, record: JobRecord, message: str, **changes: Any) -> None:
        """Who comes second finds the end that the first one gave the job."""
        if record.is_finished:
            return
        writing = self._writing.get(record.id)
        if writing is None:
            writing = asyncio.create_task(self._write(record, message, changes))
            self._writing[record.id] = writing
            writing.add_done_callback(lambda _: self._writing.pop(record.id))
        # a client that goes away does not take the end with it
        await asyncio.shield(writing)

    async def _write(self, record: JobRecord, message: str, changes: dict[str, Any]) -> None:
        """
        When the end cannot be written, clients see a failed job, and the next start finds the job
        as it was and runs it again.
        """
        finished_at = int(self._options.now())
        ended = record.with_job(**changes, finished_at=finished_at)
        level = "error" if ended.job["status"] == "failed" else "info"
        try:
            await EventWriter(self._options, record.id).message(level, message, always=True)
            await self._options.store.save(ended)
            record.job = ended.job
        except Exception as thrown:
            reason = to_engine_error(thrown).message
            fields = {"job": record.id, "error": reason}
            self._options.log("error", "the end of a job cannot be saved", fields)
            self._unwritten.add(record.id)
            error = {"code": "store_unavailable", "message": reason, "param": None}
            failed = record.with_job(status="failed", finished_at=finished_at, error=error)
            record.job = failed.job
