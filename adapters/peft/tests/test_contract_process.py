"""The engine as a process: its report, its end, and the server that has no model."""

import asyncio
import errno
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from conftest import ROWS, Start, until
from contract.disk import check_folder
from contract.process import run_engine_process
from engine_process import (
    MEMORY_SERVER,
    SERVER,
    TOKEN,
    Spawn,
    connect,
    report_of,
    terminate,
    upload,
)
from full_disk import full_disk
from memory_backend import BASE


async def test_ends_on_sigterm_and_goes_on_with_its_training(spawn: Spawn, tmp_path: Path) -> None:
    first = await spawn(MEMORY_SERVER)
    async with await connect(first) as client:
        training_file = (await upload(client, ROWS)).json()["id"]
        steps = {"max_steps": 400}
        body = {"model": BASE, "training_file": training_file, "hyperparameters": steps}
        job_id = (await client.post("/v1/fine_tuning/jobs", json=body)).json()["id"]
        path = f"/v1/fine_tuning/jobs/{job_id}"

        async def events() -> str:
            return (await client.get(f"{path}/events")).text

        await until(events, lambda text: "Step" in text)
        assert await terminate(first) == 0
    record = json.loads((tmp_path / "data" / "jobs" / job_id / "job.json").read_text())
    assert record["job"]["status"] == "running"
    second = await spawn(MEMORY_SERVER)
    async with await connect(second) as client:

        async def status() -> str:
            return (await client.get(path)).json()["status"]

        await until(status, lambda word: word == "succeeded")
        told = (await client.get(f"{path}/events")).text
        assert "Resumed after a restart" in told
        assert "Goes on from step" in told
    assert await terminate(second) == 0


async def test_ends_soon_while_an_answer_is_under_way(spawn: Spawn) -> None:
    process = await spawn(MEMORY_SERVER)
    async with await connect(process) as client:
        messages = [{"role": "user", "content": "word " * 1900}]
        body = {"model": BASE, "messages": messages, "stream": True}
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            await anext(response.aiter_bytes())
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_answers_401_to_an_upload_before_it_is_read(spawn: Spawn) -> None:
    process = await spawn(MEMORY_SERVER)
    async with await connect(process) as client:
        content = b"x" * 8 * 1024 * 1024
        headers = {"authorization": "Bearer wrong"}
        response = await client.post("/v1/files", content=content, headers=headers)
        assert response.status_code == 401


@pytest.mark.parametrize(
    ("env", "hint"),
    [
        ({"ENGINE_TOKEN": ""}, "ENGINE_TOKEN is not set"),
        ({"ENGINE_DATA_DIR": ""}, "ENGINE_DATA_DIR is not set"),
        ({"ENGINE_PORT": "many"}, "ENGINE_PORT is no port: many"),
        ({"ENGINE_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:0"),
        ({"ENGINE_MODEL": ""}, "ENGINE_MODEL is not set"),
    ],
)
async def test_tells_why_it_cannot_start(spawn: Spawn, env: dict[str, str], hint: str) -> None:
    process = await spawn(SERVER, **env)
    report = await report_of(process)
    assert report["error"]["code"] == "invalid_config"
    assert hint in report["error"]["message"]
    assert await process.wait() == 1
    assert process.stderr is not None
    lines = (await process.stderr.read()).decode().splitlines()
    assert json.loads(lines[-1])["message"] == "the engine cannot start"


async def test_tells_why_its_folder_cannot_be_used(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "jobs").write_text("a file where a folder should be")
    process = await spawn(MEMORY_SERVER)
    report = await report_of(process)
    assert report["error"]["code"] == "store_unavailable"
    assert await process.wait() == 1


def refuse(number: int):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    return refused


def refuse_append(path, mode="r", **options):
    if "a" in mode:
        refuse(errno.ENOTSUP)()
    return open(path, mode, **options)


@pytest.mark.parametrize(
    ("name", "refused", "says"),
    [
        ("os.replace", refuse(errno.ENOSYS), "cannot replace a file by a rename"),
        ("contract.disk.open", refuse_append, "cannot append to a file"),
        ("pathlib.Path.read_bytes", lambda _: b"", "cannot read a file back"),
        ("os.fsync", refuse(errno.EIO), "cannot write and sync a file"),
    ],
)
def test_tells_what_its_folder_cannot_do_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys, name: str, refused, says: str
) -> None:
    async def never(*_):
        raise AssertionError("the model is loaded")

    monkeypatch.setattr(name, refused, raising=False)
    env = {"ENGINE_TOKEN": TOKEN, "ENGINE_DATA_DIR": str(tmp_path), "ENGINE_PORT": "0"}
    assert run_engine_process("test", env, never) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "store_unavailable"
    assert error["message"].startswith(f"{tmp_path} {says}: ")
    assert list(tmp_path.iterdir()) == []


async def test_keeps_jobs_where_folders_cannot_be_synced(
    monkeypatch: pytest.MonkeyPatch, start: Start, tmp_path: Path
) -> None:
    synced = os.fsync

    def of_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refuse(errno.EINVAL)()
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", of_files)
    check_folder(tmp_path)
    engine = await start()
    job = await engine.finished((await engine.submit()).json()["id"])
    assert job["status"] == "succeeded"


def test_a_full_disk_is_no_reason_not_to_start(tmp_path: Path) -> None:
    with full_disk():
        check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
