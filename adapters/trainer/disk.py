"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from errors import TrainingError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: what file systems answer that cannot sync a folder: SMB and some FUSE mounts
NO_FOLDER_SYNC = (errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def replace_durably(path: Path, content: bytes) -> None:
    """Written beside its place, synced and renamed. Raises TrainingError `store-unavailable`."""
    draft = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        advice = "; make room on that disk" if error.errno in FULL else ""
        message = f"{path} cannot be written: {error.strerror or error}{advice}"
        raise TrainingError("store-unavailable", message) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
