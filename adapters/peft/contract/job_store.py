"""
Job records on disk: one folder a job with `job.json`, `events.jsonl` and `checkpoint/`. Knows
nothing of queues and of training.
"""

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from contract.disk import remove_drafts, replace_durably, storage_error
from contract.job_request import JobRequest
from contract.log import Log

Job = dict[str, Any]
Result = TypeVar("Result")


@dataclass
class JobRecord:
    """A job as clients see it, and what only the queue knows of it."""

    job: Job
    suffix: str | None
    sequence: int
    """order of creation; seconds are too coarse for it"""
    resumes: int = 0
    """starts after a crash since training last got further than ever before"""
    best_step: int = 0
    """the furthest step ever reported"""

    @property
    def id(self) -> str:
        return self.job["id"]

    @property
    def is_finished(self) -> bool:
        return self.job["status"] not in ("queued", "running")

    def with_job(self, **changes: Any) -> "JobRecord":
        return replace(self, job={**self.job, **changes})


def new_record(request: JobRequest, job_id: str, created_at: int, sequence: int) -> JobRecord:
    """`created_at`: seconds since the epoch."""
    job = {
        "id": job_id,
        "object": "fine_tuning.job",
        "created_at": created_at,
        "finished_at": None,
        "model": request.model,
        "fine_tuned_model": None,
        "status": "queued",
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "hyperparameters": request.hyperparameters,
        "method": {"type": request.method},
        "seed": request.seed,
        "metadata": request.metadata,
        "trained_tokens": None,
        "error": None,
    }
    return JobRecord(job, request.suffix, sequence)


def _broken_record(folder: Path, error: Exception) -> JobRecord:
    """Stands for a job whose file cannot be read."""
    request = JobRequest("", "", None, {}, "supervised", 0, None, {})
    created_at = int(folder.stat().st_mtime)
    message = f"{folder / 'job.json'} cannot be read: {error}"
    return new_record(request, folder.name, created_at, 0).with_job(
        status="failed",
        finished_at=created_at,
        error={"code": "invalid_state", "message": message, "param": None},
    )


def _record_text(record: JobRecord) -> bytes:
    fields = {
        "job": record.job,
        "suffix": record.suffix,
        "sequence": record.sequence,
        "resumes": record.resumes,
        "bestStep": record.best_step,
    }
    return json.dumps(fields).encode()


def _parse_record(text: str, job_id: str) -> JobRecord:
    """Raises ValueError, KeyError or TypeError when the text is no record of the job."""
    fields = json.loads(text)
    known = new_record(JobRequest("", "", None, {}, "supervised", 0, None, {}), job_id, 0, 0).job
    job = {**known, **fields["job"]}
    if job["id"] != job_id or not isinstance(job["metadata"], dict):
        raise ValueError("not a job record")
    if job["status"] not in ("queued", "running", "succeeded", "failed", "cancelled"):
        raise ValueError(f"no status {job['status']}")
    numbers = (int(fields[name]) for name in ("sequence", "resumes", "bestStep"))
    return JobRecord(job, fields.get("suffix"), *numbers)


def _parse_events(text: str, job_id: str) -> list[dict[str, Any]]:
    events = []
    for line in text.split("\n"):
        try:
            event = json.loads(line)
        except ValueError:
            # torn by a crash, or the blank line behind one
            continue
        events.append({**event, "id": f"ftevent-{job_id}-{len(events)}"})
    return events


class JobStore:
    """
    `folder` has one folder a job. Reads and writes run on threads, those of one job one after the
    other: two writers must not share a file.
    """

    def __init__(self, folder: Path, log: Log) -> None:
        self._folder = folder
        self._log = log
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._appended: set[str] = set()

    def checkpoint_dir(self, job_id: str) -> Path:
        return self._folder / job_id / "checkpoint"

    async def load(self) -> list[JobRecord]:
        """
        Oldest first. A job whose file is broken appears as failed, with the reason.

        Raises EngineError `store_unavailable`.
        """
        try:
            return await asyncio.to_thread(self._load)
        except OSError as error:
            raise storage_error(f"{self._folder} cannot be read", error) from error

    async def save(self, record: JobRecord) -> None:
        """Durable when it returns. Raises EngineError `store_unavailable`."""
        # what the record says now: it may change while the thread waits
        text = _record_text(record)
        await self._alone(record.id, lambda: self._save(record.id, text))

    async def remove(self, job_id: str) -> None:
        await self._alone(job_id, lambda: shutil.rmtree(self._folder / job_id, True))
        self._appended.discard(job_id)
        self._locks.pop(job_id, None)

    async def events(self, job_id: str) -> list[dict[str, Any]]:
        """Oldest first; a line torn by a crash is left out. Raises `store_unavailable`."""
        return await self._alone(job_id, lambda: self._read_events(job_id))

    async def append_event(self, job_id: str, event: dict[str, Any]) -> None:
        """Its id is its place in the file: writers need not agree on numbers. Raises OSError."""
        await self._alone(job_id, lambda: self._append(job_id, event))

    async def remove_checkpoint(self, job_id: str) -> None:
        """Raises OSError."""
        await self._alone(job_id, lambda: self._remove_checkpoint(job_id))

    async def _alone(self, job_id: str, work: Callable[[], Result]) -> Result:
        async with self._locks[job_id]:
            return await asyncio.to_thread(work)

    def _load(self) -> list[JobRecord]:
        self._folder.mkdir(parents=True, exist_ok=True)
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        records = [record for folder in folders for record in self._load_one(folder)]
        return sorted(records, key=lambda record: record.sequence)

    def _load_one(self, folder: Path) -> list[JobRecord]:
        try:
            remove_drafts(folder)
            return [_parse_record((folder / "job.json").read_text("utf-8"), folder.name)]
        except FileNotFoundError:
            # killed while the job was being created: nobody was told of it
            shutil.rmtree(folder, ignore_errors=True)
            return []
        except (ValueError, KeyError, TypeError, OSError) as error:
            self._log("error", "job file is broken", {"job": folder.name, "error": str(error)})
            return [_broken_record(folder, error)]

    def _save(self, job_id: str, text: bytes) -> None:
        replace_durably(self._folder / job_id / "job.json", [text])

    def _events_path(self, job_id: str) -> Path:
        return self._folder / job_id / "events.jsonl"

    def _read_events(self, job_id: str) -> list[dict[str, Any]]:
        try:
            text = self._events_path(job_id).read_text("utf-8", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_error(f"events of {job_id} cannot be read", error) from error
        return _parse_events(text, job_id)

    def _append(self, job_id: str, event: dict[str, Any]) -> None:
        # a crash or a full disk may have left half a line: what follows starts a new one
        separator = "" if job_id in self._appended else "\n"
        self._appended.discard(job_id)
        with open(self._events_path(job_id), "a", encoding="utf-8") as file:
            file.write(f"{separator}{json.dumps(event)}\n")
        self._appended.add(job_id)

    def _remove_checkpoint(self, job_id: str) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.checkpoint_dir(job_id))
