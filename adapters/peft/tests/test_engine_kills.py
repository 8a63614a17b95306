"""
kill -9 of trainer and server at random moments. `npm run bench:crash -- --engine peft` does the
same with the proxy in front, as often as one likes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import httpx
import pytest

from conftest import ROWS, until
from engine.checkpoint import FILE
from engine.lora_store import MANIFEST, WEIGHTS
from engine_process import HEADERS, SERVER, Spawn, report_of, upload
from tiny_model import write_tiny_model

JOBS = "/v1/fine_tuning/jobs"
#: never three of one in a row: a trainer that dies so often at one place is given up
VICTIMS = ["trainer", "server", "server", "trainer"]
LONGEST_LIFE = 3.0
#: training yields to whatever else the machine does, the asking test included
END_SECONDS = 400

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def trainer_of(server: Process) -> int | None:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(children[0]) if children else None


class Engine:
    """A server that is started again on its data directory, at another port."""

    def __init__(self, spawn: Spawn, model: Path, data_dir: Path) -> None:
        self._spawn, self._model = spawn, model
        self.data_dir = data_dir
        self.client = httpx.AsyncClient(headers=HEADERS, timeout=60)

    async def start(self) -> None:
        self._process = await self._spawn(
            SERVER,
            ENGINE_MODEL=str(self._model),
            ENGINE_CHECKPOINT_SECONDS="0.2",
            LOG_LEVEL="error",
        )
        port = (await report_of(self._process))["port"]
        self.client.base_url = httpx.URL(f"http://127.0.0.1:{port}")

    async def kill(self, victim: str) -> None:
        trainer = trainer_of(self._process)
        if victim == "trainer" and trainer is not None:
            os.kill(trainer, signal.SIGKILL)
            return
        self._process.kill()
        await self._process.wait()
        await self.start()

    async def job(self, job_id: str) -> dict:
        return (await self.client.get(f"{JOBS}/{job_id}")).json()

    async def has_checkpoint(self, job_id: str) -> bool:
        return (self.data_dir / "jobs" / job_id / "checkpoint" / FILE).exists()

    async def resumed_at(self, job_id: str) -> list[int]:
        """Steps at which it went on from a checkpoint."""
        events = await self.client.get(f"{JOBS}/{job_id}/events", params={"limit": 1000})
        return [int(step) for step in re.findall(r"the checkpoint at step (\d+)", events.text)]

    async def ended(self, job_id: str) -> dict:
        return await until(
            lambda: self.job(job_id),
            lambda job: job["status"] not in ("queued", "running"),
            seconds=END_SECONDS,
            pause=0.5,
        )

    async def served_loras(self) -> list[str]:
        models = (await self.client.get("/v1/models")).json()["data"]
        return [model["id"] for model in models if model.get("parent")]


def is_whole(folder: Path) -> bool:
    content = (folder / WEIGHTS).read_bytes() + (folder / MANIFEST).read_bytes()
    return folder.name.endswith(hashlib.sha256(content).hexdigest())


async def test_kills_lose_no_job_and_change_no_lora(spawn: Spawn, tmp_path: Path) -> None:
    moments = random.Random(7)
    engine = Engine(spawn, write_tiny_model(tmp_path / "tiny"), tmp_path / "data")
    await engine.start()
    file_id = (await upload(engine.client, ROWS)).json()["id"]
    hyperparameters = {"rank": 4, "max_steps": 300}
    body = {"model": "tiny", "training_file": file_id, "hyperparameters": hyperparameters}

    async def submit(seed: int) -> str:
        return (await engine.client.post(JOBS, json={**body, "seed": seed})).json()["id"]

    jobs = [await submit(seed) for seed in range(2)]
    await until(lambda: engine.has_checkpoint(jobs[0]), bool, seconds=END_SECONDS)
    await engine.kill("server")
    for victim in VICTIMS:
        await asyncio.sleep(moments.uniform(0, LONGEST_LIFE))
        await engine.kill(victim)
        loras = engine.data_dir / "loras"
        assert all([is_whole(loras / lora) for lora in await engine.served_loras()])
    ends = [await engine.ended(job_id) for job_id in jobs]
    assert [job["status"] for job in ends] == ["succeeded"] * len(jobs), ends
    assert max(await engine.resumed_at(jobs[0])) > 0
    assert {job["fine_tuned_model"] for job in ends} == set(await engine.served_loras())
    # what was interrupted is what would have been
    undisturbed = await engine.ended(await submit(0))
    assert undisturbed["fine_tuned_model"] == ends[0]["fine_tuned_model"]
    await engine.client.aclose()
