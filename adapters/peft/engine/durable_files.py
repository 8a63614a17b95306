"""Files that survive a crash: whole or not there at all. Knows nothing of what they hold."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from contract.disk import sync_folder
from contract.errors import EngineError


def write_durably(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Writes a new file and returns when its bytes are on disk."""
    with open(path, "xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """
    Replaces the file at `path` in one step.

    Raises EngineError `store_unavailable` with the system's reason; the old file stays.
    """
    draft = path.with_name(f"{path.name}.{uuid4()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(draft, parts)
        os.replace(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        raise store_error(path, error) from error
    finally:
        # a folder that cannot be written has no draft either
        with suppress(OSError):
            draft.unlink()


def store_error(path: Path, error: OSError) -> EngineError:
    """A failed write as the error that clients may see."""
    return EngineError("store_unavailable", f"{path} cannot be written: {error.strerror or error}")
