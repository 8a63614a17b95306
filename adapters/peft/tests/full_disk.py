"""
A disk that is full for one process: no file may grow. A limit on file sizes is what a test can do
without a disk of its own; the system says EFBIG in place of ENOSPC, and both are OSError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

resource = pytest.importorskip("resource", reason="this system limits no files")
if not hasattr(resource, "prlimit"):
    pytest.skip("this system limits no other process", allow_module_level=True)


@contextmanager
def full_disk(pid: int | None = None, *, max_bytes: int = 0) -> Iterator[None]:
    """While it lasts, no file of the process (this one by default) grows over `max_bytes`."""
    process = pid or os.getpid()
    soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (max_bytes, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))
