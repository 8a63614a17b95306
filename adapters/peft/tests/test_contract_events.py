"""Events of a job: thinned out, torn by crashes, page by page."""

from pathlib import Path
from typing import Any

import pytest

from conftest import Start
from contract.backend import TrainProgress
from contract.job_events import EventOptions, EventWriter
from contract.job_store import JobStore
from full_disk import full_disk
from memory_backend import Faults

JOB = "ftjob-1"
TOTAL = 100_000


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


def silent(*_: Any, **__: Any) -> None:
    pass


def progress(step: int) -> TrainProgress:
    return TrainProgress(step, TOTAL, 1.0, 1.0, None, 1.0)


def open_writer(folder: Path, max_events: int) -> tuple[JobStore, EventWriter, Clock]:
    (folder / JOB).mkdir()
    store, clock = JobStore(folder, silent), Clock()
    options = EventOptions(store, clock.now, silent, 1.0, max_events)
    return store, EventWriter(options, JOB), clock


async def test_are_at_most_one_a_second_but_the_last_step_is_always_told(tmp_path: Path) -> None:
    store, writer, clock = open_writer(tmp_path, 1000)
    for step in range(1, 51):
        await writer.metrics(progress(step))
        clock.time = step / 8
    await writer.metrics(progress(TOTAL))
    steps = [event["data"]["step"] for event in await store.events(JOB)]
    assert steps == [1, 9, 17, 25, 33, 41, 49, TOTAL]


async def test_get_rarer_in_a_long_training(tmp_path: Path) -> None:
    store, writer, clock = open_writer(tmp_path, 10_000)
    for step in range(1, 1501):
        await writer.metrics(progress(step))
        clock.time += 1
    # 500 at one a second, then one every two seconds
    assert len(await store.events(JOB)) == 1000


async def test_never_exceed_their_number_but_for_those_that_must_be_told(tmp_path: Path) -> None:
    store, writer, clock = open_writer(tmp_path, 20)
    for step in range(1, 51):
        await writer.metrics(progress(step))
        await writer.message("info", "something")
        clock.time += 1
    await writer.message("info", "the end", always=True)
    events = await store.events(JOB)
    assert len(events) == 21
    assert events[-1]["message"] == "the end"


async def test_survive_a_line_that_a_crash_tore(tmp_path: Path) -> None:
    _, writer, _ = open_writer(tmp_path, 10)
    await writer.message("info", "first")
    with open(tmp_path / JOB / "events.jsonl", "a") as file:
        file.write('{"object": "fine_tuning.job.ev')
    reopened = JobStore(tmp_path, silent)
    await reopened.append_event(JOB, {"message": "second"})
    events = await reopened.events(JOB)
    assert [event["message"] for event in events] == ["first", "second"]
    assert [event["id"] for event in events] == [f"ftevent-{JOB}-0", f"ftevent-{JOB}-1"]


async def test_survive_a_disk_that_gets_full_in_the_middle_of_a_line(tmp_path: Path) -> None:
    store, _, _ = open_writer(tmp_path, 10)
    await store.append_event(JOB, {"message": "first"})
    size = (tmp_path / JOB / "events.jsonl").stat().st_size
    with full_disk(max_bytes=size + 9), pytest.raises(OSError, match="too large"):
        await store.append_event(JOB, {"message": "second"})
    assert (tmp_path / JOB / "events.jsonl").stat().st_size == size + 9
    await store.append_event(JOB, {"message": "third"})
    assert [event["message"] for event in await store.events(JOB)] == ["first", "third"]


async def test_one_that_cannot_be_written_is_missed_and_training_goes_on(
    start: Start, tmp_path: Path
) -> None:
    engine = await start(Faults(step_seconds=0.05))
    first = (await engine.submit()).json()["id"]
    second = (await engine.submit()).json()["id"]
    (tmp_path / "jobs" / second / "events.jsonl").mkdir()
    assert (await engine.finished(first))["status"] == "succeeded"
    assert (await engine.finished(second))["status"] == "succeeded"
    assert "job event cannot be written" in engine.logged


async def test_read_on_where_the_last_poll_ended(start: Start) -> None:
    engine = await start()
    job_id = (await engine.submit()).json()["id"]
    await engine.finished(job_id)
    newest_first = await engine.events(job_id)
    assert newest_first[0]["message"].startswith("Succeeded: lora-")
    oldest_first = await engine.events(job_id, order="asc")
    assert oldest_first == newest_first[::-1]
    assert oldest_first[0]["message"] == "Started"
    after = await engine.events(job_id, order="asc", after=oldest_first[0]["id"])
    assert after == oldest_first[1:]
    url = f"/v1/fine_tuning/jobs/{job_id}/events"
    page = (await engine.client.get(url, params={"limit": 1})).json()
    assert page["has_more"] is True
    assert page["first_id"] == page["last_id"] == newest_first[0]["id"]
    assert (await engine.client.get(url, params={"order": "up"})).status_code == 400
