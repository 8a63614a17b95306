"""
A lora on disk: a folder in PEFT's format with a manifest that pins what it was trained on, named by
the hash of both. Once whole, a folder never changes; the optimizer's state may lie beside, for a
next stage to go on with. No folder is renamed: a mounted bucket renames one object by object, and
rclone 1.60 gave empty files in the new one until they were uploaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contract.disk import replace_durably, storage_error, sync_folder
from contract.errors import EngineError
from engine.base_model import BaseModel
from engine.javascript_json import stringify
from engine.lora_layout import LoraLayout, create_lora_layout
from engine.model_config import LINEAR_LAYERS
from engine.probe import PROBE, Probe, encode_probe
from engine.safetensors_file import decode_safetensors, encode_safetensors
from engine.state_file import StateFile, read_state_file, write_state_file

WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
OPTIMIZER = "optimizer.bin"
#: lies in a folder that is being written or removed, which is no lora
INCOMPLETE = ".incomplete"


@dataclass(frozen=True)
class LoraManifest:
    """Fields in the order in which the file has them."""

    base_model: str
    base_fingerprint: str
    tokenizer_hash: str
    chat_template_hash: str
    data_hash: str
    #: the lora that training started from
    parent: str | None
    seed: int
    hyperparameters: dict[str, Any]
    #: how prompts were rendered, and must be when it serves
    rendering: dict[str, bool]
    suffix: str | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class OptimizerState:
    step: int
    #: first and second moments, as long as the lora's flat vector
    m: np.ndarray
    v: np.ndarray


@dataclass(frozen=True)
class StoredLora:
    id: str
    layout: LoraLayout
    #: [layout.length], float32
    theta: np.ndarray

    @property
    def changes(self) -> bool:
        """False for one whose B is zero, as before training: it says what the base model says."""
        return any(
            self.theta[entry.offset : entry.offset + entry.length].any()
            for entry in self.layout.entries
            if entry.matrix == "B"
        )


def write_lora(
    loras_dir: Path,
    layout: LoraLayout,
    theta: np.ndarray,
    manifest: LoraManifest,
    optimizer: OptimizerState | None,
    probe: Probe | None = None,
) -> str:
    """
    Writes `<loras_dir>/<id>` and gives the id. The same weights and manifest written twice are one
    lora; the optimizer's state and the probe lie beside and are no part of it. A folder of that
    name that is damaged is replaced.

    Raises EngineError `store_unavailable`.
    """
    weights = encode_safetensors(
        (entry.tensor_name, theta[entry.offset : entry.offset + entry.length].reshape(entry.shape))
        for entry in layout.entries
    )
    pinned = _json(asdict(manifest))
    parts = {
        WEIGHTS: weights,
        MANIFEST: pinned,
        # last: servers that look for loras in the folder take this file for one
        ADAPTER_CONFIG: _json(_adapter_config(layout, manifest)),
    }
    target = loras_dir / _lora_id(weights, pinned, manifest.suffix)
    if _holds(target, parts):
        return target.name
    try:
        # damaged, or of a writer that died
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, exist_ok=True)
        (target / INCOMPLETE).touch()
        if optimizer is not None:
            state = StateFile({"step": optimizer.step}, [optimizer.m, optimizer.v])
            write_state_file(target / OPTIMIZER, state)
        if probe is not None:
            replace_durably(target / PROBE, [encode_probe(probe)])
        for name, content in parts.items():
            replace_durably(target / name, [content])
        (target / INCOMPLETE).unlink()
        sync_folder(target)
        sync_folder(loras_dir)
    except (OSError, EngineError) as error:
        # another writer may have been faster with the same content
        if not _holds(target, parts):
            shutil.rmtree(target, ignore_errors=True)
            raise storage_error(f"{target} cannot be written", error) from error
    return target.name


def is_incomplete(folder: Path) -> bool:
    """Whether its writer, or whoever removed it, has not ended."""
    return (folder / INCOMPLETE).exists()


def remove_lora(folder: Path) -> None:
    """In one step it is no lora any more; then its files go. Raises OSError."""
    os.replace(folder / ADAPTER_CONFIG, folder / INCOMPLETE)
    for file in folder.iterdir():
        if file.name != INCOMPLETE:
            file.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _holds(folder: Path, parts: dict[str, bytes]) -> bool:
    try:
        equal = all((folder / name).read_bytes() == content for name, content in parts.items())
        return equal and not is_incomplete(folder)
    except OSError:
        return False


def _json(value: Any) -> bytes:
    return f"{stringify(value, 2)}\n".encode()


def _lora_id(weights: bytes, manifest: bytes, suffix: str | None) -> str:
    digest = hashlib.sha256(weights + manifest).hexdigest()
    return "-".join(part for part in ("lora", suffix, digest) if part is not None)


def _adapter_config(layout: LoraLayout, manifest: LoraManifest) -> dict[str, Any]:
    """The fields that PEFT needs to load the folder onto the base model."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": manifest.base_model,
        "r": layout.rank,
        "lora_alpha": layout.alpha,
        "lora_dropout": 0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "target_modules": [linear.split(".")[1] for linear in LINEAR_LAYERS],
        "modules_to_save": None,
    }


def _read_part(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _Damaged(f"{folder.name} has no readable {name}") from error


def _parse(content: bytes, source: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise _Damaged(f"{source} is damaged") from error
    if not isinstance(value, dict):
        raise _Damaged(f"{source} is damaged")
    return value


def read_lora(folder: Path, base: BaseModel) -> StoredLora:
    """
    Reads and checks a lora against the base model it is to sit on.

    Raises EngineError `invalid_model` when it is incomplete, damaged, or made for another base
    model, tokenizer or chat template, and says what to do.
    """
    try:
        return _read_parts(folder, base)
    except _Damaged as error:
        advice = "put its files back from a copy, or delete the lora and train it again"
        raise EngineError("invalid_model", f"{error.message}; {advice}") from error


class _Damaged(EngineError):
    """The lora's own files are not what training wrote."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_model", message)


def _read_parts(folder: Path, base: BaseModel) -> StoredLora:
    weights = _read_part(folder, WEIGHTS)
    adapter = _parse(_read_part(folder, ADAPTER_CONFIG), f"{folder.name}/{ADAPTER_CONFIG}")
    pinned = _read_part(folder, MANIFEST)
    manifest = _parse(pinned, f"{folder.name}/{MANIFEST}")
    _check_origin(folder.name, manifest, base)
    rank, alpha = adapter.get("r"), adapter.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, (int, float)) or alpha <= 0:
        raise _Damaged(f"{folder.name}/{ADAPTER_CONFIG} has no valid r and lora_alpha")
    layout = create_lora_layout(base.config, rank, alpha)
    theta = _gather(layout, weights, f"{folder.name}/{WEIGHTS}")
    if _lora_id(weights, pinned, manifest.get("suffix")) != folder.name:
        raise _Damaged(f"{folder.name} is damaged: its content does not match its name")
    return StoredLora(folder.name, layout, theta)


def _check_origin(lora: str, manifest: dict[str, Any], base: BaseModel) -> None:
    if manifest.get("base_fingerprint") != base.fingerprint:
        raise EngineError(
            "invalid_model",
            f"{lora} was trained on another base model ({manifest.get('base_model')}); "
            "serve it with that model, or train it again on this one",
        )
    # a prompt is only what it was in training when the same text gives the same tokens
    for field, own, name in (
        ("tokenizer_hash", base.tokenizer_hash, "tokenizer"),
        ("chat_template_hash", base.chat.template_hash, "chat template"),
    ):
        if manifest.get(field) != own:
            raise EngineError(
                "invalid_model",
                f"{lora} was trained with another {name}; put the model's own {name} back, "
                "or train it again with this one",
            )


def _gather(layout: LoraLayout, weights: bytes, source: str) -> np.ndarray:
    try:
        tensors = decode_safetensors(weights, source)
    except EngineError as error:
        raise _Damaged(error.message) from error
    theta = np.empty(layout.length, dtype=np.float32)
    for entry in layout.entries:
        tensor = tensors.get(entry.tensor_name)
        if tensor is None:
            raise _Damaged(f"{source} lacks {entry.tensor_name}")
        if tensor.shape != entry.shape:
            raise _Damaged(
                f"{source}: {entry.tensor_name} is {list(tensor.shape)}, not {list(entry.shape)}"
            )
        theta[entry.offset : entry.offset + entry.length] = tensor.ravel()
    return theta


def read_optimizer(folder: Path, layout: LoraLayout) -> OptimizerState | None:
    """What training left beside a lora; None when there is nothing that fits."""
    state = read_state_file(folder / OPTIMIZER)
    if state is None or [len(vector) for vector in state.vectors] != [layout.length] * 2:
        return None
    step = state.header.get("step")
    return OptimizerState(step, *state.vectors) if isinstance(step, int) else None
