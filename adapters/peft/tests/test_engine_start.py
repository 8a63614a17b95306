"""
How the server starts: what serves, and base models that it cannot start with, of which one line
says what is wrong and what to do.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.environment import Machine
from engine_process import SERVER, Spawn, report_of
from server import create_backend
from tiny_model import write_tiny_model


def missing(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def of_another_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mamba"}))


def cut_off(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])


def of_another_size(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 128}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (missing, "give a Hugging Face folder"),
        (of_another_architecture, "use a chat model of type llama"),
        (cut_off, "download the model again"),
        (of_another_size, "config.json and the weights belong to different models"),
    ],
)
async def test_tells_what_is_wrong_with_the_model(
    spawn: Spawn, tmp_path: Path, spoil, says
) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    spoil(folder)
    process = await spawn(SERVER, ENGINE_MODEL=str(folder))
    error = (await report_of(process))["error"]
    assert error["code"] == "invalid_model"
    assert str(folder) in error["message"] or "tensor" in error["message"]
    assert says in error["message"]
    assert await process.wait() == 1


async def test_vllm_serves_by_itself_where_the_engine_is_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def opened(**options):
        return options

    monkeypatch.setattr("engine.environment.this_machine", lambda: Machine(1, False))
    monkeypatch.setattr("engine.opening.open_backend", opened)
    monkeypatch.setenv("ENGINE_MODEL", str(tmp_path))
    monkeypatch.setenv("ENGINE_VLLM_COMMAND", "vllm serve")

    async def serves() -> bool:
        return (await create_backend(tmp_path, lambda *_, **__: None))["vllm"] is not None

    assert await serves()
    monkeypatch.setenv("ENGINE_DEVICE", "cpu")
    assert not await serves()
