"""
Copies what changes in a data directory to an object store. Contents go first, under the names of
their hashes; the index that names them goes last. What neither this index nor the one before it
names is deleted, so the store holds little more than the directory.
"""

from __future__ import annotations

import os
from pathlib import Path

from mirror.index import FOLDERS, INDEX, OBJECTS, Entry, Index, decode_index, encode_index
from mirror.local_files import FileState, list_files, pieces_of, sha256_of, state_of
from mirror.object_store import ObjectStore, StoreError

#: smaller objects are one request
SINGLE_REQUEST_BYTES = 8 * 2**20


class TakenOver(Exception):
    """Another data directory writes to the same place."""


class Mirror:
    """`writer` is the data directory's id. Used by one thread."""

    def __init__(self, data_dir: Path, store: ObjectStore, writer: str) -> None:
        self._data_dir = data_dir
        self._store = store
        self._writer = writer
        self._known: dict[tuple[str, FileState], Entry] = {}
        self._published: Index | None = None
        #: objects in the store; None before the first look
        self._present: set[str] | None = None

    def sync(self) -> None:
        """One copy of all that has changed. Raises StoreError, TakenOver, OSError."""
        if self._present is None:
            self._published = read_index(self._store)
            self._present = set(self._store.names(f"{OBJECTS}/"))
        present, current = self._present, {}
        for folder in FOLDERS:
            for path, state in list_files(self._data_dir, folder):
                entry = self._known.get((path, state)) or self._copy(path, present)
                if entry is not None:
                    current[path, state] = entry
        self._publish(Index(self._writer, {path: current[path, s] for path, s in current}), present)
        self._known = current

    def _copy(self, path: str, present: set[str]) -> Entry | None:
        """None when the file was removed meanwhile."""
        try:
            file = open(self._data_dir / path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return None
        with file:
            # another one than was listed, perhaps; this one stays as it is while it is open
            state = state_of(os.fstat(file.fileno()))
            sha256 = sha256_of(pieces_of(file, state.size))
            entry = Entry(sha256, state.size, state.modified_ns / 1e9)
            if entry.name not in present:
                pieces = pieces_of(file, state.size)
                whole = state.size <= SINGLE_REQUEST_BYTES
                self._store.write(entry.name, b"".join(pieces) if whole else pieces)
                present.add(entry.name)
        self._known[path, state] = entry
        return entry

    def _publish(self, index: Index, present: set[str]) -> None:
        if index == self._published:
            return
        found = read_index(self._store)
        if found is not None and found.writer != self._writer:
            raise TakenOver(found.writer)
        self._store.write(INDEX, encode_index(index))
        before = set() if self._published is None else self._published.objects()
        self._published = index
        unneeded = present - index.objects() - before
        self._store.delete(sorted(unneeded))
        present -= unneeded


def read_index(store: ObjectStore) -> Index | None:
    """None where nothing has been written. Raises StoreError."""
    content = store.read(INDEX)
    try:
        return None if content is None else decode_index(content)
    except ValueError as error:
        raise StoreError(f"{INDEX} is damaged: {error}") from error
