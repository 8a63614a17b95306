"""
What a data directory and an object store have to do with each other when an engine starts. A
directory that is empty takes what the store has, and takes over the place. A directory that the
store was written from goes on. Any other one would overwrite what somebody else's engine has done
since, so it is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from contract.disk import replace_durably, storage_error
from contract.errors import EngineError
from contract.log import Log
from mirror.index import FOLDERS, INDEX, Entry, Index, encode_index
from mirror.local_files import list_files, sha256_of
from mirror.mirror import Mirror, read_index
from mirror.object_store import ObjectStore, StoreError

MARKER = "mirror.json"
#: an engine that still runs may delete what an older index names
ATTEMPTS = 5


@dataclass(frozen=True)
class Marker:
    """Lies in a data directory that is copied."""

    id: str
    #: true while what the store has is on its way here
    restoring: bool


def prepare_mirror(store: ObjectStore, data_dir: Path, log: Log) -> Mirror:
    """
    The data directory is as the engine needs it when this returns.

    Raises EngineError `store_unavailable`, `invalid_config` when the store belongs to another
    directory.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        marker = _read_marker(data_dir) or Marker(str(uuid4()), restoring=False)
        index = read_index(store)
        if index is not None and (marker.restoring or _is_empty(data_dir)):
            _restore(store, data_dir, marker.id, log)
        elif index is not None and index.writer != marker.id:
            raise EngineError(
                "invalid_config",
                "ENGINE_CHECKPOINT_URL was written from another data directory: give an empty "
                "ENGINE_DATA_DIR to go on with what is there, or another URL to keep this one",
            )
        _write_marker(data_dir, Marker(marker.id, restoring=False))
    except StoreError as error:
        raise EngineError(
            "store_unavailable",
            f"the store at ENGINE_CHECKPOINT_URL cannot be read: {error}; "
            "check the URL, the credentials and the network",
        ) from error
    except OSError as error:
        raise storage_error(f"{data_dir} cannot be written", error) from error
    return Mirror(data_dir, store, marker.id)


def _is_empty(data_dir: Path) -> bool:
    return not any(True for folder in FOLDERS for _ in list_files(data_dir, folder))


def _read_marker(data_dir: Path) -> Marker | None:
    try:
        return Marker(**json.loads((data_dir / MARKER).read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise EngineError("store_unavailable", f"{data_dir / MARKER} is damaged") from error


def _write_marker(data_dir: Path, marker: Marker) -> None:
    replace_durably(data_dir / MARKER, [json.dumps(asdict(marker)).encode()])


def _restore(store: ObjectStore, data_dir: Path, writer: str, log: Log) -> None:
    """Raises StoreError."""
    _write_marker(data_dir, Marker(writer, restoring=True))
    for _ in range(ATTEMPTS):
        index = read_index(store)
        if index is None:
            break
        if all(_fetch(store, data_dir, path, entry) for path, entry in index.entries.items()):
            _remove_others(data_dir, index)
            # from now on it is this directory's
            store.write(INDEX, encode_index(Index(writer, index.entries)))
            log("info", "restored from the object store", {"files": len(index.entries)})
            return
    raise StoreError("objects vanish while they are read; does another engine still run?")


def _fetch(store: ObjectStore, data_dir: Path, path: str, entry: Entry) -> bool:
    """False when the object is gone."""
    target = data_dir / path
    if _has(target, entry):
        return True
    pieces = store.stream(entry.name)
    if pieces is None:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.draft")
    with open(draft, "wb") as file:
        sha256 = sha256_of(_written(file, pieces))
        file.flush()
        os.fsync(file.fileno())
    if sha256 != entry.sha256:
        draft.unlink()
        raise StoreError(f"{entry.name} is damaged: its content does not match its name")
    os.utime(draft, (entry.modified, entry.modified))
    os.replace(draft, target)
    # a folder is as old as what was last put into it
    os.utime(target.parent, (entry.modified, entry.modified))
    return True


def _has(target: Path, entry: Entry) -> bool:
    """Whether an earlier attempt has fetched it."""
    try:
        return target.stat().st_size == entry.size and _sha256_of_file(target) == entry.sha256
    except FileNotFoundError:
        return False


def _sha256_of_file(path: Path) -> str:
    with open(path, "rb") as file:
        return sha256_of(iter(lambda: file.read(2**20), b""))


def _written(file, pieces: Iterable[bytes]) -> Iterable[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece


def _remove_others(data_dir: Path, index: Index) -> None:
    """What an older index had brought here."""
    for folder in FOLDERS:
        for path, _ in list(list_files(data_dir, folder)):
            if path not in index.entries:
                (data_dir / path).unlink()
