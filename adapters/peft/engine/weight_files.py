"""
The weights of a Hugging Face folder as files: which tensors there are, whether they are whole, and
a digest by which loras know their base model. Loads no tensor.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from contract.errors import EngineError
from engine.javascript_json import stringify
from engine.model_config import ModelConfig, read_json

SAMPLE_BYTES = 64 * 1024
MAX_HEADER_BYTES = 100_000_000
AGAIN = "download the model again"
MIXED = "config.json and the weights belong to different models"
BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class StoredTensor:
    dtype: str
    shape: tuple[int, ...]
    path: Path
    #: bytes from the start of the file
    offset: int

    @property
    def length(self) -> int:
        return BYTES[self.dtype] * math.prod(self.shape)


def read_tensor_table(folder: Path, config: ModelConfig) -> dict[str, StoredTensor]:
    """
    Every tensor by its name, after a check that those of the decoder are there and whole.

    Raises EngineError `invalid_model` naming the file or tensor.
    """
    tensors: dict[str, StoredTensor] = {}
    for name in _weight_files(folder):
        tensors |= _read_header(folder / name)
    for name, shape in config.tensors():
        _check_tensor(name, shape, tensors)
    return tensors


def _weight_files(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return ["model.safetensors"]
    listed = read_json(index).get("weight_map", {}).values()
    return list(dict.fromkeys(os.path.basename(name) for name in listed))


def _read_header(path: Path) -> dict[str, StoredTensor]:
    if not path.exists():
        raise EngineError("invalid_model", f"{path} is missing; {AGAIN}")
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(MAX_HEADER_BYTES, path.stat().st_size - 8):
            raise EngineError("invalid_model", f"{path} is damaged or no safetensors file; {AGAIN}")
        try:
            header = json.loads(file.read(length))
            return {
                name: _stored(path, 8 + length, name, entry)
                for name, entry in header.items()
                # older checkpoints carry the rotary frequencies, which the configuration gives
                if name != "__metadata__" and not name.endswith(".rotary_emb.inv_freq")
            }
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError("invalid_model", f"{path} has a damaged header; {AGAIN}") from error


def _stored(path: Path, start: int, name: str, entry: dict) -> StoredTensor:
    if entry["dtype"] not in BYTES:
        raise EngineError(
            "invalid_model",
            f"tensor {name} is stored as {entry['dtype']}; supported are {', '.join(BYTES)}",
        )
    shape = tuple(entry["shape"])
    return StoredTensor(entry["dtype"], shape, path, start + entry["data_offsets"][0])


def _check_tensor(name: str, shape: tuple[int, ...], tensors: dict[str, StoredTensor]) -> None:
    tensor = tensors.get(name)
    if tensor is None:
        raise EngineError("invalid_model", f"the model has no tensor {name}; {MIXED}")
    if tensor.shape != shape:
        raise EngineError(
            "invalid_model",
            f"tensor {name} has shape {list(tensor.shape)}, expected {list(shape)}; {MIXED}",
        )
    size, end = tensor.path.stat().st_size, tensor.offset + tensor.length
    if end > size:
        raise EngineError(
            "invalid_model",
            f"{tensor.path} ends inside tensor {name} ({size} of {end} bytes); {AGAIN}",
        )


def base_fingerprint(
    config: ModelConfig, tokenizer_model: dict, tensors: dict[str, StoredTensor]
) -> str:
    """
    sha256 over configuration, vocabulary and tensors (the first and last 64 KiB of each). Training
    moves every element of a matrix, so a sample of every tensor tells two models apart. For a plain
    Llama it is what the embedded engine computes where it serves in float32.
    """
    digest = hashlib.sha256(b"float32\n")
    shape = [
        ("headDim", config.head_dim),
        ("heads", config.heads),
        ("hiddenSize", config.hidden_size),
        ("intermediateSize", config.intermediate_size),
        ("kvHeads", config.kv_heads),
        ("layers", config.layers),
        ("maxPositions", config.max_positions),
        ("rmsNormEps", config.rms_norm_eps),
        ("ropeTheta", config.rope_theta),
        ("tiedEmbeddings", config.tied_embeddings),
        ("vocabSize", config.vocab_size),
    ]
    digest.update(stringify(shape).encode())
    if config.extras:
        digest.update(stringify(config.extras).encode())
    digest.update(stringify(tokenizer_model).encode())
    usual = [name for name, _ in config.tensors()]
    more = sorted(set(tensors) - set(usual)) if config.extras else []
    for name in [*usual, *more]:
        _add_sample(digest, name, tensors[name])
    return digest.hexdigest()


def _add_sample(digest: hashlib._Hash, name: str, tensor: StoredTensor) -> None:
    shape = ",".join(map(str, tensor.shape))
    digest.update(f"{name} {tensor.dtype} {shape}\n".encode())
    head = min(tensor.length, SAMPLE_BYTES)
    tail = min(tensor.length - head, SAMPLE_BYTES)
    with open(tensor.path, "rb") as file:
        file.seek(tensor.offset)
        digest.update(file.read(head))
        file.seek(tensor.offset + tensor.length - tail)
        digest.update(file.read(tail))
