"""The engine as a server of one model, and a lora on it, through its HTTP contract alone."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

SERVER = Path(__file__).resolve().parent.parent.parent / "adapters" / "peft" / "server.py"
#: a large model is read from disk, and vLLM compiles it
START_SECONDS = 1200
JOB_SECONDS = 1200
STOP_SECONDS = 60


class ServerFailed(Exception):
    """With the reason."""


@dataclass(frozen=True)
class Engine:
    #: ends in `/v1`
    base_url: str
    token: str
    #: id of the base model
    model: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@contextmanager
def running_engine(model: Path, folder: Path, env: dict[str, str]) -> Iterator[Engine]:
    """`folder` gets its data and its log. Raises ServerFailed."""
    token = secrets.token_hex(16)
    given = {
        "ENGINE_TOKEN": token,
        "ENGINE_DATA_DIR": str(folder / "data"),
        "ENGINE_MODEL": str(model),
        "ENGINE_PORT": "0",
    }
    with (folder / "engine.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(SERVER)],
            env={**os.environ, **given, **env},
            # open for as long as this process is there
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Engine(
                base_url=f"http://127.0.0.1:{_port(process)}/v1",
                token=token,
                model=model.resolve().name,
            )
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen) -> int:
    # the line ends the wait also where there is none: a process that dies closes its stdout
    line = process.stdout.readline()
    report = json.loads(line) if line else {"error": {"message": "it ended without a report"}}
    if "error" in report:
        raise ServerFailed(f"the engine does not start: {report['error']['message']}")
    return report["port"]


def train_lora(engine: Engine, rows: list[dict]) -> str:
    """A lora of two steps, whose id it gives: speed does not depend on what it has learned."""
    content = "\n".join(json.dumps(row) for row in rows)
    with httpx.Client(
        base_url=engine.base_url, headers=engine.headers, timeout=120, trust_env=False
    ) as client:
        uploaded = _read(
            client.post("/files", data={"purpose": "fine-tune"}, files={"file": content.encode()})
        )
        body = {
            "model": engine.model,
            "training_file": uploaded["id"],
            "hyperparameters": {"max_steps": 2, "batch_size": len(rows)},
        }
        job = _read(client.post("/fine_tuning/jobs", json=body))
        deadline = time.monotonic() + JOB_SECONDS
        while job["status"] in ("queued", "running"):
            if time.monotonic() > deadline:
                raise ServerFailed(f"the lora was not trained within {JOB_SECONDS} s")
            time.sleep(0.2)
            job = _read(client.get(f"/fine_tuning/jobs/{job['id']}"))
    if job["status"] != "succeeded":
        raise ServerFailed(f"the lora could not be trained: {job['error']}")
    return job["fine_tuned_model"]


def _read(response: httpx.Response) -> dict:
    if response.is_error:
        raise ServerFailed(f"{response.request.url.path}: {response.status_code} {response.text}")
    return response.json()
