"""Files that survive a crash: whole or not there at all. Knows nothing of what they hold."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from contract.errors import EngineError


def storage_error(what: str, cause: BaseException) -> EngineError:
    """A failed read or write as clients may see it: what failed and the system's reason."""
    if isinstance(cause, EngineError):
        return cause
    return EngineError("store_unavailable", f"{what}: {cause}")


def sync_folder(folder: Path) -> None:
    """Makes renames inside the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_quietly(path: Path) -> None:
    # the error that led here is the one to tell
    with suppress(OSError):
        path.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | BinaryIO) -> None:
    """
    Replaces the file at `path` in one step: written beside it, synced, renamed.

    Raises EngineError `store_unavailable`, and the old file stays.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        _remove_quietly(temporary)
        raise storage_error(f"{path} cannot be written", error) from error
