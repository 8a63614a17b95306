"""An engine in process, on the memory backend: its app without a port, its queue, its folder."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract.host import Host, HostOptions, open_host
from engine_process import HEADERS, TOKEN, Spawn
from memory_backend import BASE, Faults, MemoryBackend

DEADLINE_SECONDS = 20


def row(query: str, answer: str) -> dict[str, Any]:
    user = {"role": "user", "content": query}
    return {"messages": [user, {"role": "assistant", "content": answer}]}


ROWS = [row("Which city is the capital of France?", "It is Paris"), row("A spider?", "Eight legs")]


async def until(
    read: Callable[[], Awaitable[Any]],
    good: Callable[[Any], bool],
    *,
    seconds: float = DEADLINE_SECONDS,
    pause: float = 0.005,
) -> Any:
    """Polls until the value is good."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not good(value := await read()):
        assert loop.time() < deadline, f"still {value}"
        await asyncio.sleep(pause)
    return value


@dataclass
class Engine:
    host: Host
    backend: MemoryBackend
    client: httpx.AsyncClient
    logged: list[str]

    async def upload(self, rows: list[dict[str, Any]] | bytes) -> httpx.Response:
        text = rows if isinstance(rows, bytes) else "\n".join(map(json.dumps, rows)).encode()
        files = {"file": ("rows.jsonl", text)}
        return await self.client.post("/v1/files", data={"purpose": "fine-tune"}, files=files)

    async def submit(self, max_steps: int = 3, **fields: Any) -> httpx.Response:
        training_file = (await self.upload(ROWS)).json()["id"]
        hyperparameters = {"max_steps": max_steps}
        body = {"model": BASE, "training_file": training_file, "hyperparameters": hyperparameters}
        return await self.client.post("/v1/fine_tuning/jobs", json={**body, **fields})

    async def job(self, job_id: str) -> dict[str, Any]:
        return (await self.client.get(f"/v1/fine_tuning/jobs/{job_id}")).json()

    async def job_is(self, job_id: str, *statuses: str) -> dict[str, Any]:
        return await until(lambda: self.job(job_id), lambda job: job["status"] in statuses)

    async def finished(self, job_id: str) -> dict[str, Any]:
        return await self.job_is(job_id, "succeeded", "failed", "cancelled")

    async def events(self, job_id: str, **params: Any) -> list[dict[str, Any]]:
        url = f"/v1/fine_tuning/jobs/{job_id}/events"
        response = await self.client.get(url, params={"limit": 1000, **params})
        return response.json()["data"]

    async def close(self) -> None:
        await self.client.aclose()
        await self.host.close()


Start = Callable[..., Awaitable[Engine]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts engines in one data directory, one after the other; closed when the test is over."""
    engines: list[Engine] = []

    async def open_engine(faults: Faults | None = None, **options: Any) -> Engine:
        logged: list[str] = []

        def log(_: str, message: str, fields: Any = None, **__: Any) -> None:
            logged.append(message)

        backend = MemoryBackend(tmp_path, faults)
        host = await open_host(HostOptions(backend, tmp_path, TOKEN, log, **options))
        transport = httpx.ASGITransport(host.app)
        client = httpx.AsyncClient(
            transport=transport, base_url="http://engine", headers=HEADERS, timeout=60
        )
        engines.append(Engine(host, backend, client, logged))
        return engines[-1]

    yield open_engine
    for engine in engines:
        await engine.close()


@pytest.fixture
async def spawn(tmp_path: Path) -> AsyncIterator[Spawn]:
    """Starts a script with an engine's environment; killed when the test is over."""
    processes: list[Process] = []

    async def start(script: Path, **env: str) -> Process:
        engine = {
            "ENGINE_TOKEN": TOKEN,
            "ENGINE_DATA_DIR": str(tmp_path / "data"),
            "ENGINE_PORT": "0",
        }
        everything = {**os.environ, **engine, **env}
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), stdout=PIPE, stderr=PIPE, env=everything
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()
