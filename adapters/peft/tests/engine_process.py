"""The engine as a process of its own, for tests: its start, its report, its end."""

import asyncio
import json
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

TOKEN = "test-token"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
FOLDER = Path(__file__).resolve().parent
MEMORY_SERVER = FOLDER / "memory_server.py"
SERVER = FOLDER.parent / "server.py"

Spawn = Callable[..., Awaitable[Process]]


async def report_of(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 60))


async def connect(process: Process) -> httpx.AsyncClient:
    port = (await report_of(process))["port"]
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, timeout=60)


async def terminate(process: Process) -> int:
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), 20)


async def upload(client: httpx.AsyncClient, rows: list[dict[str, Any]]) -> httpx.Response:
    content = "\n".join(map(json.dumps, rows)).encode()
    files = {"file": ("rows.jsonl", content)}
    return await client.post("/v1/files", data={"purpose": "fine-tune"}, files=files)
