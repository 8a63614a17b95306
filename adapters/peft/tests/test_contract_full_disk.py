"""A disk that gets full under the server, and gets room again: files, job records, ends of jobs."""

from __future__ import annotations

from pathlib import Path

import httpx

from conftest import ROWS, until
from engine_process import MEMORY_SERVER, Spawn, connect, terminate, upload
from full_disk import full_disk
from memory_backend import BASE

FULL = "make room on that disk"
JOBS = "/v1/fine_tuning/jobs"


async def submit(client: httpx.AsyncClient, file_id: str, steps: int) -> httpx.Response:
    hyperparameters = {"max_steps": steps}
    body = {"model": BASE, "training_file": file_id, "hyperparameters": hyperparameters}
    return await client.post(JOBS, json=body)


def says_full(response: httpx.Response) -> bool:
    error = response.json()["error"]
    return (response.status_code, error["code"]) == (503, "store_unavailable") and (
        FULL in error["message"]
    )


async def test_takes_neither_file_nor_job_and_both_again(spawn: Spawn, tmp_path: Path) -> None:
    process = await spawn(MEMORY_SERVER)
    async with await connect(process) as client:
        kept = (await upload(client, ROWS)).json()["id"]
        with full_disk(process.pid):
            assert says_full(await upload(client, ROWS))
            assert says_full(await submit(client, kept, 3))
            assert (await client.get(JOBS)).json()["data"] == []
            # what needs no disk goes on
            messages = [{"role": "user", "content": "one"}]
            body = {"model": BASE, "messages": messages}
            assert (await client.post("/v1/chat/completions", json=body)).status_code == 200
        assert not list(tmp_path.rglob("*.draft"))
        assert (await upload(client, ROWS)).status_code == 200
        assert (await submit(client, kept, 3)).status_code == 200
    assert await terminate(process) == 0


async def test_a_job_whose_end_finds_no_room_fails_and_runs_again(spawn: Spawn) -> None:
    first = await spawn(MEMORY_SERVER)
    async with await connect(first) as client:
        job_id = (await submit(client, (await upload(client, ROWS)).json()["id"], 400)).json()["id"]
        path = f"{JOBS}/{job_id}"

        async def status() -> str:
            return (await client.get(path)).json()["status"]

        await until(status, lambda word: word == "running")
        with full_disk(first.pid):
            await until(status, lambda word: word == "failed")
            error = (await client.get(path)).json()["error"]
            assert error["code"] == "store_unavailable" and FULL in error["message"]
    first.kill()
    await first.wait()
    second = await spawn(MEMORY_SERVER)
    async with await connect(second) as client:
        await until(status, lambda word: word == "succeeded")
