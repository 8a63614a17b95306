"""Files that survive a crash: whole or not there at all. Knows nothing of what they hold."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from contract.errors import EngineError

#: ends the names of files that are being written
DRAFT = ".draft"
#: bytes that are in memory at a time when a file is copied
COPY_BYTES = 1024 * 1024

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: what file systems answer that cannot sync a folder: SMB and some FUSE mounts. They have no later
#: moment at which a rename becomes durable
NO_FOLDER_SYNC = (errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)

Part = bytes | memoryview


def storage_error(what: str, cause: BaseException) -> EngineError:
    """A failed read or write as clients may see it: what failed, and the system's reason."""
    if isinstance(cause, EngineError):
        return cause
    reason, advice = str(cause), ""
    if isinstance(cause, OSError):
        reason = cause.strerror or reason
        advice = "; make room on that disk" if cause.errno in FULL else ""
    return EngineError("store_unavailable", f"{what}: {reason}{advice}")


def sync_folder(folder: Path) -> None:
    """Makes renames inside the folder durable, where the file system can. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def parts_of(file: BinaryIO) -> Iterator[bytes]:
    """What is left of an open file, piece by piece."""
    return iter(lambda: file.read(COPY_BYTES), b"")


def write_durably(path: Path, parts: Iterable[Part]) -> None:
    """Writes a new file and returns when its bytes are on disk. Raises OSError."""
    with open(path, "xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, parts: Iterable[Part]) -> None:
    """
    Replaces the file at `path` in one step: written beside it, synced, renamed. Its folder is made
    when it is missing.

    Raises EngineError `store_unavailable` with the system's reason, and the old file stays.
    """
    # a name of its own: a process that is dying may still write the same file
    draft = path.with_name(f"{path.name}.{uuid4()}{DRAFT}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(draft, parts)
        os.replace(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(f"{path} cannot be written", error) from error
    finally:
        # a folder that cannot be written has no draft either
        with suppress(OSError):
            draft.unlink()


def remove_drafts(folder: Path) -> None:
    """What writers left that died; nobody may be writing in the folder. Raises OSError."""
    for draft in folder.glob(f"*{DRAFT}"):
        draft.unlink(missing_ok=True)


def check_folder(folder: Path) -> None:
    """
    Makes the folder and tries in it everything that records and loras are written with: a mounted
    bucket may lack some of it, and would say so only when a training has ended. A full disk passes,
    because an engine on one still answers.

    Raises EngineError `store_unavailable` that says what the folder cannot do.
    """
    place = folder / f".check-{uuid4()}"
    file, draft = place / "file", place / "draft"

    def append() -> None:
        with open(file, "ab") as opened:
            opened.write(b" and more")

    def read() -> None:
        found = file.read_bytes()
        if found != b"new and more":
            raise OSError(errno.EIO, f"it gives {found!r} in place of what was written")

    steps: dict[str, Callable[[], None]] = {
        "make a folder": lambda: place.mkdir(parents=True),
        "write and sync a file": lambda: write_durably(file, [b"old"]),
        "write a second file": lambda: write_durably(draft, [b"new"]),
        "replace a file by a rename": lambda: os.replace(draft, file),
        "append to a file": append,
        "read a file back": read,
        "sync a folder": lambda: sync_folder(place),
        "remove a folder": lambda: shutil.rmtree(place),
    }
    try:
        for what, step in steps.items():
            try:
                step()
            except OSError as error:
                if error.errno in FULL:
                    return
                raise storage_error(f"{folder} cannot {what}", error) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
