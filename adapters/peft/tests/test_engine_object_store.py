"""A machine that is lost in the middle of a stage, and the one that goes on, with an S3 server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from tiny_model import ROWS, write_tiny_model

pytest.importorskip("obstore", reason="obstore is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
import boto3  # noqa: E402

from mirror.index import INDEX, Index, decode_index  # noqa: E402

ROOT = Path(__file__).parent.parent
HEADERS = {"authorization": "Bearer t"}
DEADLINE_SECONDS = 120
STEPS = 400


@pytest.fixture
def bucket(monkeypatch) -> Iterator[object]:
    server = moto_server.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="engines")
    yield client
    server.stop()


class Engine:
    """A server on a machine of its own: its data directory and its process."""

    def __init__(self, data_dir: Path, model: Path) -> None:
        env = {
            "ENGINE_TOKEN": "t",
            "ENGINE_DATA_DIR": str(data_dir),
            "ENGINE_MODEL": str(model),
            "ENGINE_PORT": "0",
            "ENGINE_THREADS": "1",
            "ENGINE_CHECKPOINT_SECONDS": "0",
            "ENGINE_CHECKPOINT_URL": "s3://engines/team",
            "ENGINE_MIRROR_SECONDS": "0.2",
        }
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "server.py")],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            text=True,
        )
        report = json.loads(self.process.stdout.readline())
        url = f"http://127.0.0.1:{report['port']}/v1"
        self.client = httpx.Client(base_url=url, headers=HEADERS, timeout=60)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        with self.process:
            self.process.wait()

    def submit(self) -> str:
        lines = [{"messages": [asdict(one) for one in row.messages]} for row in ROWS]
        content = "\n".join(map(json.dumps, lines)).encode()
        form = {"data": {"purpose": "fine-tune"}, "files": {"file": content}}
        training_file = self.client.post("/files", **form).json()["id"]
        body = {
            "model": "tiny",
            "training_file": training_file,
            "hyperparameters": {"rank": 4, "batch_size": 3, "max_steps": STEPS},
        }
        return self.client.post("/fine_tuning/jobs", json=body).json()["id"]

    def job(self, job_id: str) -> dict:
        return self.client.get(f"/fine_tuning/jobs/{job_id}").json()

    def messages(self, job_id: str) -> str:
        params = {"limit": 1000}
        return self.client.get(f"/fine_tuning/jobs/{job_id}/events", params=params).text


def until(read, good):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not good(value := read()):
        assert time.monotonic() < deadline, f"still {value}"
        time.sleep(0.05)
    return value


def index_of(bucket) -> Index | None:
    try:
        found = bucket.get_object(Bucket="engines", Key=f"team/{INDEX}")
    except bucket.exceptions.NoSuchKey:
        return None
    return decode_index(found["Body"].read())


def lora_trained_at_once(task_file: Path, folder: Path) -> str:
    task = json.loads(task_file.read_text())
    places = {"loras_dir": str(folder / "loras"), "checkpoint_dir": str(folder / "checkpoint")}
    folder.mkdir()
    (folder / "task.json").write_text(json.dumps({**task, **places}))
    command = [sys.executable, str(ROOT / "train.py"), str(folder / "task.json")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        return json.loads(list(process.stdout)[-1])["model"]


def test_a_job_goes_on_where_a_lost_machine_was(tmp_path, bucket):
    model = write_tiny_model(tmp_path / "tiny")
    first = Engine(tmp_path / "first", model)
    try:
        job_id = first.submit()
        checkpoint = f"jobs/{job_id}/checkpoint/checkpoint.bin"
        until(lambda: index_of(bucket), lambda index: index and checkpoint in index.entries)
    finally:
        first.kill()
    record = json.loads((tmp_path / "first/jobs" / job_id / "job.json").read_text())
    assert record["job"]["status"] == "running"
    task_file = tmp_path / "first/jobs" / job_id / "checkpoint/task.json"
    expected = lora_trained_at_once(task_file, tmp_path / "at-once")

    second = Engine(tmp_path / "second", model)
    try:
        ended = until(lambda: second.job(job_id), lambda job: job["status"] != "running")
        assert ended["status"] == "succeeded" and ended["fine_tuned_model"] == expected
        messages = second.messages(job_id)
        assert int(re.search(r"resumed from the checkpoint at step (\d+)", messages)[1]) > 0
        # the lora was there before anybody was told of it
        weights = f"loras/{expected}/adapter_model.safetensors"
        assert weights in index_of(bucket).entries
        ids = {one["id"] for one in second.client.get("/models").json()["data"]}
        assert expected in ids
    finally:
        second.kill()

    third = Engine(tmp_path / "third", model)
    try:
        again = third.job(job_id)
        assert again["fine_tuned_model"] == expected or again["status"] == "running"
        body = {"model": expected, "messages": [{"role": "user", "content": "Is it cold?"}]}
        answer = third.client.post("/chat/completions", json={**body, "max_tokens": 4})
        assert answer.status_code == 200
    finally:
        third.kill()
