"""
An engine put together: backend, file store, job queue and app on one data directory. Knows nothing
of what the backend is, and of ports.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette

from contract.app import create_app
from contract.backend import Backend
from contract.deps import AppDeps, Limits
from contract.files import FileStore, FileStoreOptions
from contract.job_events import EventOptions
from contract.job_runner import RunDeps
from contract.job_store import JobStore
from contract.jobs import JobQueue, QueueLimits, open_queue
from contract.log import Log


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True)
class HostOptions:
    backend: Backend
    data_dir: Path
    """gets the folders `files` and `jobs`; everything else in it belongs to the backend"""
    token: str
    log: Log
    limits: Limits = field(default_factory=Limits)
    queue: QueueLimits = field(default_factory=QueueLimits)
    now: Callable[[], float] = time.time
    """seconds since the epoch"""
    new_id: Callable[[], str] = _uuid


@dataclass(frozen=True)
class Host:
    app: Starlette
    jobs: JobQueue
    backend: Backend

    async def close(self) -> None:
        """Stops training where a restart can go on, then closes the backend."""
        await self.jobs.close()
        await self.backend.close()


async def open_host(options: HostOptions) -> Host:
    """
    Jobs that were interrupted run again when it returns.

    Raises EngineError `store_unavailable` when the data directory cannot be used.
    """
    now, new_id, log, limits = options.now, options.new_id, options.log, options.limits
    files = await FileStore.open(
        FileStoreOptions(
            folder=options.data_dir / "files",
            max_file_bytes=limits.max_file_bytes,
            max_total_bytes=limits.max_total_file_bytes,
            now=now,
            new_id=new_id,
            log=log,
        )
    )
    store = JobStore(options.data_dir / "jobs", log)
    deps = RunDeps(options.backend, files, EventOptions(store, now, log))
    jobs = await open_queue(deps, new_id, options.queue)
    backend, token = options.backend, options.token
    app = create_app(AppDeps(backend, files, jobs, token, limits, now, new_id, log))
    return Host(app, jobs, backend)
