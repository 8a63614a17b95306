"""Files of a data directory that are worth a copy, and their contents."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PIECE_BYTES = 8 * 2**20


@dataclass(frozen=True)
class FileState:
    """Tells a file from the one that replaces it, and from itself when it has grown."""

    size: int
    modified_ns: int
    inode: int


def state_of(found: os.stat_result) -> FileState:
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino)


def list_files(data_dir: Path, folder: str) -> Iterator[tuple[str, FileState]]:
    """Paths within the data directory, with slashes; drafts of writers are left out."""
    for parent, folders, names in os.walk(data_dir / folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith(".") or name.endswith((".draft", ".tmp")):
                continue
            path = Path(parent, name)
            try:
                yield path.relative_to(data_dir).as_posix(), state_of(path.stat())
            except FileNotFoundError:
                # removed meanwhile
                continue


def pieces_of(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The first `size` bytes: a file that is appended to may be longer by now."""
    file.seek(0)
    while size > 0 and (piece := file.read(min(size, PIECE_BYTES))):
        size -= len(piece)
        yield piece


def sha256_of(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
