"""
Uploaded files on disk: `<id>.jsonl` with its description `<id>.json` beside it. Knows nothing of
HTTP, jobs or what the lines mean.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from contract.disk import parts_of, remove_drafts, replace_durably, storage_error
from contract.errors import EngineError
from contract.log import Log

FileObject = dict[str, Any]


@dataclass(frozen=True)
class FileStoreOptions:
    folder: Path
    max_file_bytes: int
    """one file"""
    max_total_bytes: int
    """all files together"""
    now: Callable[[], float]
    """seconds since the epoch"""
    new_id: Callable[[], str]
    log: Log


@dataclass(frozen=True)
class Upload:
    filename: str
    purpose: str
    size: int
    """bytes"""
    content: BinaryIO
    """read from where it stands"""


def _read_description(path: Path, log: Log) -> list[FileObject]:
    try:
        file = json.loads(path.read_text("utf-8"))
        if file["id"] != path.stem or not isinstance(file["bytes"], int):
            raise ValueError("not a file's description")
        return [file]
    except (ValueError, KeyError, TypeError, OSError) as error:
        message = "uploaded file has a broken description and is left out"
        log("error", message, {"file": str(path), "error": str(error)})
        return []


def _load_files(folder: Path, log: Log) -> list[FileObject]:
    folder.mkdir(parents=True, exist_ok=True)
    remove_drafts(folder)
    for content in folder.glob("*.jsonl"):
        # killed before the description was written: nobody was told of the file
        if not content.with_suffix(".json").exists():
            content.unlink()
    loaded = [_read_description(path, log) for path in sorted(folder.glob("*.json"))]
    return sorted((file for files in loaded for file in files), key=lambda f: f["created_at"])


class FileStore:
    """Everything but `newest_first` and `get` reads or writes the disk, on a thread."""

    def __init__(self, options: FileStoreOptions, loaded: list[FileObject]) -> None:
        self._options = options
        self._files = {file["id"]: file for file in loaded}
        # two uploads must not both take the last room
        self._writing = asyncio.Lock()

    @staticmethod
    async def open(options: FileStoreOptions) -> "FileStore":
        """Raises EngineError `store_unavailable` when the folder cannot be made or read."""
        try:
            loaded = await asyncio.to_thread(_load_files, options.folder, options.log)
        except OSError as error:
            raise storage_error(f"{options.folder} cannot be read", error) from error
        return FileStore(options, loaded)

    def newest_first(self) -> list[FileObject]:
        """Newest first."""
        return list(reversed(self._files.values()))

    def get(self, file_id: str) -> FileObject:
        """Raises EngineError `not_found`."""
        file = self._files.get(file_id)
        if file is None:
            raise EngineError("not_found", f"no file {file_id}")
        return file

    async def create(self, upload: Upload, is_spent: Callable[[str], bool]) -> FileObject:
        """
        Durable when it returns. When the store is full, files that `is_spent` names make room,
        oldest first.

        Raises EngineError `body_too_large`, `store_unavailable`.
        """
        limit = self._options.max_file_bytes
        if upload.size > limit:
            raise EngineError("body_too_large", f"a file may have {limit} bytes")
        async with self._writing:
            await self._make_room(upload.size, is_spent)
            file = self._describe(upload)
            await asyncio.to_thread(self._write, file, upload.content)
            self._files[file["id"]] = file
        return file

    async def read(self, file_id: str) -> bytes:
        """Raises EngineError `not_found`, `store_unavailable`."""
        self.get(file_id)
        try:
            return await asyncio.to_thread(self._content_path(file_id).read_bytes)
        except OSError as error:
            raise storage_error(f"file {file_id} cannot be read", error) from error

    async def remove(self, file_id: str) -> None:
        """Raises EngineError `not_found`, `store_unavailable`."""
        self.get(file_id)
        try:
            await asyncio.to_thread(self._unlink, file_id)
        except OSError as error:
            raise storage_error(f"file {file_id} cannot be removed", error) from error
        self._files.pop(file_id, None)

    def _content_path(self, file_id: str) -> Path:
        return self._options.folder / f"{file_id}.jsonl"

    def _description_path(self, file_id: str) -> Path:
        return self._options.folder / f"{file_id}.json"

    def _describe(self, upload: Upload) -> FileObject:
        return {
            "id": f"file-{self._options.new_id()}",
            "object": "file",
            "bytes": upload.size,
            "created_at": int(self._options.now()),
            "filename": upload.filename,
            "purpose": upload.purpose,
        }

    def _write(self, file: FileObject, content: BinaryIO) -> None:
        replace_durably(self._content_path(file["id"]), parts_of(content))
        try:
            replace_durably(self._description_path(file["id"]), [json.dumps(file).encode()])
        except EngineError:
            # content that nobody was told of must not take a full disk's room
            self._unlink(file["id"])
            raise

    def _unlink(self, file_id: str) -> None:
        # the description goes first: content without one is not listed after a crash
        self._description_path(file_id).unlink(missing_ok=True)
        self._content_path(file_id).unlink(missing_ok=True)

    async def _make_room(self, size: int, is_spent: Callable[[str], bool]) -> None:
        limit = self._options.max_total_bytes
        for file_id in list(self._files):
            if self._total_bytes() + size <= limit:
                return
            if is_spent(file_id):
                await self.remove(file_id)
        if self._total_bytes() + size > limit:
            message = f"file storage is full ({limit} bytes); delete files that are not needed"
            raise EngineError("store_unavailable", message)

    def _total_bytes(self) -> int:
        return sum(file["bytes"] for file in self._files.values())
