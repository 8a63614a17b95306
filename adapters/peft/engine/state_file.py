"""
A header and a few float vectors in one file, written whole or not at all: checkpoints and optimizer
state. Layout, as in the embedded engine: header length (uint32, little-endian), header as JSON
padded to a multiple of 4 bytes, then the vectors as little-endian float32.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contract.disk import replace_durably


@dataclass(frozen=True)
class StateFile:
    header: dict[str, Any]
    vectors: list[np.ndarray]


def write_state_file(path: Path, state: StateFile) -> None:
    """Raises EngineError `store_unavailable`."""
    described = {**state.header, "vectors": [len(vector) for vector in state.vectors]}
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    vectors = [np.ascontiguousarray(vector, dtype="<f4").data for vector in state.vectors]
    replace_durably(path, [struct.pack("<I", len(text)), text, *vectors])


def read_state_file(path: Path) -> StateFile | None:
    """None when the file is not there, truncated or not of this format."""
    try:
        return _parse(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse(content: bytes) -> StateFile | None:
    if len(content) < 4:
        return None
    start = 4 + struct.unpack_from("<I", content)[0]
    if start > len(content):
        return None
    header = json.loads(content[4:start])
    lengths = header["vectors"]
    if len(content) != start + 4 * sum(lengths):
        return None
    vectors, at = [], start
    for length in lengths:
        vectors.append(np.frombuffer(content, dtype="<f4", count=length, offset=at).copy())
        at += 4 * length
    return StateFile(header, vectors)
