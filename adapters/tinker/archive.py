"""
The lora as files of ours: what the provider exports, as a PEFT folder in float32 with PEFT's names,
so that it outlives the provider's base model.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import shared  # noqa: F401
import tinker
from disk import replace_durably
from errors import TrainingError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
#: how long the provider keeps an export that this process did not delete
EXPORT_SECONDS = 3600
TIMEOUT = 300
#: of a file: rank 32 on 70 billion parameters is 450 million numbers
MOST_BYTES = 4 * 2**30
#: of an export without its tensors' names: servers of the API that only have archives
NO_EXPORT = (404, 405)
#: names end so in PEFT's files, with or without the adapter's name; what is before may differ
MATRIX = re.compile(
    r"(model\.layers\.\d+\.(?:self_attn|mlp)\.\w+)\.lora_([AB])(?:\.default)?\.weight$"
)

Wait = Callable[[Any], Any]


def download(client: Any, sampler_path: str, folder: Path, wait: Wait) -> None:
    """
    Writes `adapter_config.json` and `adapter_model.safetensors`.

    Raises what the SDK raises, TimeoutError; TrainingError `internal` for files that are no such
    lora, `store-unavailable`.
    """
    files = _exported(client, wait)
    if files is None:
        files = _archived(sampler_path)
    if CONFIG not in files or WEIGHTS not in files:
        raise TrainingError("internal", f"the provider’s export has only {', '.join(files)}")
    replace_durably(folder / CONFIG, files[CONFIG])
    replace_durably(folder / WEIGHTS, converted(files[WEIGHTS]))


def _exported(client: Any, wait: Wait) -> dict[str, bytes] | None:
    rest = tinker.RestClient()
    try:
        path = wait(client.save_weights_external("export", ttl_seconds=EXPORT_SECONDS)).path
    except tinker.APIStatusError as error:
        if error.status_code in NO_EXPORT:
            return None
        raise
    urls = wait(rest.get_external_weights_urls(path)).urls
    files = {
        Path(name).name: _get(url)
        for name, url in urls.items()
        if Path(name).name in (CONFIG, WEIGHTS)
    }
    wait(rest.delete_checkpoint_from_tinker_path(path))
    return files


def _archived(sampler_path: str) -> dict[str, bytes]:
    """Of a server that has no exports, such as SkyRL: a tar file behind the former way to it."""
    run, *_, name = sampler_path.removeprefix("tinker://").split("/")
    base = os.environ.get("TINKER_BASE_URL", "").rstrip("/")
    url = f"{base}/api/v1/training_runs/{run}/checkpoints/{name}/archive"
    content = _get(url, os.environ.get("TINKER_API_KEY", ""))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {
            Path(member.name).name: file.read()
            for member in archive.getmembers()
            if (file := archive.extractfile(member)) is not None
        }


def _get(url: str, key: str | None = None) -> bytes:
    """Raises TimeoutError where it breaks off, TrainingError `internal` for no such file."""
    if not url.startswith(("https://", "http://")):
        raise TrainingError("internal", "the provider names an export that is no web address")
    request = urllib.request.Request(url)
    if key is not None:
        # not to where it redirects, which is a store of someone else
        request.add_unredirected_header("X-API-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            content = answer.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        # without the address, which is signed
        reason = getattr(error, "reason", None) or type(error).__name__
        raise TimeoutError(f"the export cannot be read: {reason}") from None
    if len(content) > MOST_BYTES:
        raise TrainingError("internal", f"the provider’s export has more than {MOST_BYTES} bytes")
    return content


def converted(content: bytes) -> bytes:
    """The same tensors in float32, by PEFT's names. Raises TrainingError `internal`."""
    try:
        length = int.from_bytes(content[:8], "little")
        entries = json.loads(content[8 : 8 + length])
        entries.pop("__metadata__", None)
        tensors = {
            peft_name(name): _float32(content[8 + length :], entry)
            for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError("internal", f"the provider’s export is damaged: {error}") from error
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in sorted(tensors):
        size = tensors[name].nbytes
        shape = list(tensors[name].shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(tensors[name].tobytes() for name in sorted(tensors))
    return len(text).to_bytes(8, "little") + text + body


def peft_name(name: str) -> str:
    """Raises TrainingError `internal` for a tensor that no lora of ours has."""
    found = MATRIX.search(name)
    if found is None:
        raise TrainingError("internal", f"the provider’s export has {name}, which cannot be served")
    return f"base_model.model.{found[1]}.lora_{found[2]}.weight"


def _float32(body: bytes, entry: dict[str, Any]) -> np.ndarray:
    start, end = entry["data_offsets"]
    data = body[start:end]
    match entry["dtype"]:
        case "F32":
            values = np.frombuffer(data, "<f4")
        case "F16":
            values = np.frombuffer(data, "<f2").astype("<f4")
        case "BF16":
            # the upper half of a float32
            values = (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        case other:
            raise TrainingError("internal", f"the provider’s export is stored as {other}")
    return values.reshape(entry["shape"])
