"""
The float32 part of the safetensors format, as loras need it. Written here and not by the library,
because a lora is named by its bytes, which must be those of the embedded engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from contract.errors import EngineError
from engine.javascript_json import stringify


def encode_safetensors(tensors: Iterable[tuple[str, np.ndarray]]) -> bytes:
    """The file's bytes: header length, JSON header padded to 8 bytes, little-endian float32."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    offset = 0
    for name, values in tensors:
        data = np.ascontiguousarray(values, dtype="<f4").tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(values.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    text = stringify(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def decode_safetensors(content: bytes, source: str) -> dict[str, np.ndarray]:
    """Raises EngineError `invalid_model` when the file is truncated, damaged or not float32."""
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise EngineError("invalid_model", f"{source} is truncated or damaged: {error}") from error
    for name in tensors:
        dtype = header[name]["dtype"]
        if dtype != "F32":
            raise EngineError("invalid_model", f"{source}: {name} is {dtype}, not F32")
    return tensors
