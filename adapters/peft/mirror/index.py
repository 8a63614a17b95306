"""
What a data directory holds, as one small object that is written last: until then the older one is
valid, and every object that it names is there. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

INDEX = "index.json"
OBJECTS = "objects"
#: an engine's durable things, in the order in which they are copied: a job names files and loras
#: that were there before it, so what it names is copied after it
FOLDERS = ("jobs", "files", "loras")


@dataclass(frozen=True)
class Entry:
    sha256: str
    #: bytes
    size: int
    #: seconds since the epoch
    modified: float

    @property
    def name(self) -> str:
        """Of the object: equal contents are one."""
        return f"{OBJECTS}/{self.sha256}"


@dataclass(frozen=True)
class Index:
    #: the data directory that wrote it
    writer: str
    #: by path within the data directory
    entries: Mapping[str, Entry]

    def objects(self) -> set[str]:
        return {entry.name for entry in self.entries.values()}


def encode_index(index: Index) -> bytes:
    files = {path: asdict(entry) for path, entry in index.entries.items()}
    return json.dumps({"version": 1, "writer": index.writer, "files": files}).encode()


def decode_index(content: bytes) -> Index:
    """Raises ValueError when it is no index, or one with paths outside the folders."""
    try:
        fields = json.loads(content)
        if fields["version"] != 1:
            raise ValueError(f"version {fields['version']}")
        entries = {path: Entry(**entry) for path, entry in fields["files"].items()}
        writer = fields["writer"]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an index: {error}") from error
    for path in entries:
        parts = PurePosixPath(path).parts
        if len(parts) < 2 or parts[0] not in FOLDERS or ".." in parts:
            raise ValueError(f"a path that no engine writes: {path}")
    return Index(writer, entries)
