"""What all routes are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.backend import Backend
from contract.files import FileStore
from contract.jobs import JobQueue
from contract.log import Log

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes; docs/contract.md, "Limits"."""

    max_body_bytes: int = 32 * MIB
    """JSON bodies"""
    max_file_bytes: int = 256 * MIB
    """uploads; their multipart envelope may add 64 KiB"""
    max_total_file_bytes: int = 4096 * MIB
    max_completions: int = 256
    """at a time"""


@dataclass(frozen=True)
class AppDeps:
    backend: Backend
    files: FileStore
    jobs: JobQueue
    token: str
    """bearer token that every route but /healthz asks for"""
    limits: Limits
    now: Callable[[], float]
    """seconds since the epoch"""
    new_id: Callable[[], str]
    log: Log
