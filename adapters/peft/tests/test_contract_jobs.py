"""The job queue: crashes, broken records, full disks, limits."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import ROWS, Engine, Start, until
from contract.jobs import QueueLimits
from memory_backend import BASE, Faults

MANY_STEPS = 100_000


def record_path(data_dir: Path, job_id: str) -> Path:
    return data_dir / "jobs" / job_id / "job.json"


def change_record(data_dir: Path, job_id: str, **changes: Any) -> None:
    path = record_path(data_dir, job_id)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


async def interrupted_job(start: Start, steps: int) -> str:
    """A job that has trained some steps when its engine closes."""
    engine = await start(Faults(step_seconds=0.001))
    job_id = (await engine.submit(steps)).json()["id"]
    await trains(engine, job_id)
    await engine.host.close()
    return job_id


async def trains(engine: Engine, job_id: str) -> None:
    """Returns when the job has told of a step."""
    await until(lambda: engine.events(job_id), lambda told: any("data" in event for event in told))


def messages(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events]


async def test_reports_a_training_that_fails_and_trains_the_next_job(start: Start) -> None:
    engine = await start(Faults(fail_at_step=2))
    key = {"metadata": {"idempotency_key": "a"}}
    failed = await engine.finished((await engine.submit(**key)).json()["id"])
    assert failed["status"] == "failed"
    assert failed["error"] == {
        "code": "internal",
        "message": "fails at step 2, as told",
        "param": None,
    }
    assert (await engine.events(failed["id"]))[0]["level"] == "error"
    engine.backend.faults.fail_at_step = None
    second = (await engine.submit(**key)).json()
    assert second["id"] != failed["id"]
    assert (await engine.finished(second["id"]))["status"] == "succeeded"
    assert (await engine.submit(**key)).json()["id"] == second["id"]


async def test_keeps_no_checkpoint_of_a_training_that_found_its_disk_full(
    start: Start, tmp_path: Path
) -> None:
    engine = await start(Faults(fail_at_step=3, fails_with="store_unavailable"))
    job_id = (await engine.submit()).json()["id"]
    assert (await engine.finished(job_id))["error"]["code"] == "store_unavailable"
    checkpoint = tmp_path / "jobs" / job_id / "checkpoint"

    async def is_there() -> bool:
        return checkpoint.exists()

    await until(is_there, lambda there: not there)


async def test_goes_on_from_the_checkpoint_and_removes_it_at_the_end(
    start: Start, tmp_path: Path
) -> None:
    job_id = await interrupted_job(start, 300)
    assert json.loads(record_path(tmp_path, job_id).read_text())["job"]["status"] == "running"
    second = await start()
    assert (await second.finished(job_id))["status"] == "succeeded"
    told = messages(await second.events(job_id))
    assert "Resumed after a restart" in told
    assert any(message.startswith("Goes on from step") for message in told)
    checkpoint = tmp_path / "jobs" / job_id / "checkpoint"

    async def is_there() -> bool:
        return checkpoint.exists()

    await until(is_there, lambda there: not there)


async def test_keeps_no_checkpoint_of_a_job_that_had_ended(start: Start, tmp_path: Path) -> None:
    first = await start()
    job_id = (await first.submit()).json()["id"]
    await first.finished(job_id)
    await first.host.close()
    checkpoint = tmp_path / "jobs" / job_id / "checkpoint"
    checkpoint.mkdir(exist_ok=True)
    (checkpoint / "rows").write_text("a text")
    await start()
    assert not checkpoint.exists()


async def test_gives_up_on_a_job_interrupted_too_often_at_one_place(
    start: Start, tmp_path: Path
) -> None:
    job_id = await interrupted_job(start, MANY_STEPS)
    change_record(tmp_path, job_id, resumes=10, bestStep=7)
    failed = await (await start()).job(job_id)
    assert failed["status"] == "failed"
    message = "interrupted 11 times without getting past step 7"
    assert failed["error"] == {"code": "internal", "message": message, "param": None}


async def test_counts_interruptions_anew_after_progress(start: Start, tmp_path: Path) -> None:
    job_id = await interrupted_job(start, 300)
    change_record(tmp_path, job_id, resumes=9, bestStep=1)
    second = await start()
    assert (await second.finished(job_id))["status"] == "succeeded"
    assert json.loads(record_path(tmp_path, job_id).read_text())["resumes"] == 0


async def test_fails_a_job_whose_file_is_gone(start: Start, tmp_path: Path) -> None:
    job_id = await interrupted_job(start, MANY_STEPS)
    shutil.rmtree(tmp_path / "files")
    failed = await (await start()).finished(job_id)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "not_found")


@pytest.mark.parametrize(
    "text", ['{"job": {"id"', "[]", '{"job": 1}', '{"job": {"id": "other"}}', "{}", "\x00"]
)
async def test_shows_a_broken_record_as_failed_and_runs_the_others(
    start: Start, tmp_path: Path, text: str
) -> None:
    first = await start(Faults(step_seconds=0.05))
    broken = (await first.submit(1000)).json()["id"]
    queued = (await first.submit()).json()["id"]
    await first.host.close()
    record_path(tmp_path, broken).write_text(text)
    second = await start()
    job = await second.job(broken)
    assert (job["status"], job["error"]["code"]) == ("failed", "invalid_state")
    assert "job.json cannot be read" in job["error"]["message"]
    assert (await second.finished(queued))["status"] == "succeeded"
    listed = (await second.client.get("/v1/fine_tuning/jobs")).json()["data"]
    assert [job["id"] for job in listed] == [queued, broken]
    assert (await second.submit()).status_code == 200


async def test_forgets_a_job_that_nobody_was_told_of(start: Start, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "ftjob-half").mkdir(parents=True)
    engine = await start()
    assert (await engine.client.get("/v1/fine_tuning/jobs/ftjob-half")).status_code == 404
    assert list((tmp_path / "jobs").iterdir()) == []


async def test_says_why_a_job_cannot_be_written_and_goes_on(start: Start, tmp_path: Path) -> None:
    engine = await start()
    shutil.rmtree(tmp_path / "jobs")
    (tmp_path / "jobs").write_text("a file where a folder should be")
    refused = await engine.submit()
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "store_unavailable"
    assert "cannot be written" in refused.json()["error"]["message"]
    assert (await engine.client.get("/v1/fine_tuning/jobs")).json()["data"] == []
    (tmp_path / "jobs").unlink()
    assert (await engine.finished((await engine.submit()).json()["id"]))["status"] == "succeeded"


async def test_fails_a_job_whose_end_cannot_be_written_and_runs_it_again(
    start: Start, tmp_path: Path
) -> None:
    first = await start(Faults(step_seconds=0.01))
    job_id = (await first.submit(20)).json()["id"]
    await trains(first, job_id)
    record = record_path(tmp_path, job_id)
    kept = record.with_name("kept")
    await until(lambda: asyncio.to_thread(_put_a_folder_in_place_of, record, kept), bool)
    failed = await first.finished(job_id)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "store_unavailable")
    assert (tmp_path / "jobs" / job_id / "checkpoint").exists()
    await first.host.close()
    record.rmdir()
    kept.rename(record)
    assert (await (await start()).finished(job_id))["status"] == "succeeded"


def _put_a_folder_in_place_of(path: Path, kept: Path) -> bool:
    """No file can be renamed over a folder. Whether it worked: a write may have come between."""
    path.replace(kept)
    try:
        path.mkdir()
        return True
    except FileExistsError:
        return False


async def test_refuses_more_jobs_than_may_wait(start: Start) -> None:
    engine = await start(Faults(step_seconds=1), queue=QueueLimits(max_unfinished=2))
    assert [(await engine.submit()).status_code for _ in range(2)] == [200, 200]
    refused = await engine.submit()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")


async def test_trains_several_jobs_at_a_time_when_configured_so(start: Start) -> None:
    engine = await start(Faults(step_seconds=0.05), queue=QueueLimits(max_running=2))
    jobs = [(await engine.submit()).json()["id"] for _ in range(3)]
    statuses = [(await engine.job(job_id))["status"] for job_id in jobs]
    assert statuses == ["running", "running", "queued"]
    for job_id in jobs:
        assert (await engine.finished(job_id))["status"] == "succeeded"


async def test_remembers_so_many_finished_jobs(start: Start, tmp_path: Path) -> None:
    engine = await start(queue=QueueLimits(max_finished=2))
    jobs = []
    for _ in range(4):
        jobs.append((await engine.submit()).json()["id"])
        await engine.finished(jobs[-1])
    # the fourth was not finished when it was made
    known = {path.name for path in (tmp_path / "jobs").iterdir()}
    assert known == set(jobs[1:])


async def test_makes_one_job_of_simultaneous_requests_with_one_key(start: Start) -> None:
    engine = await start()
    key = {"metadata": {"idempotency_key": "i-1/schedule/1"}}
    both = await asyncio.gather(*(engine.submit(**key) for _ in range(5)))
    assert len({response.json()["id"] for response in both}) == 1
    lora = (await engine.finished(both[0].json()["id"]))["fine_tuned_model"]
    assert (await engine.submit(model=lora, **key)).status_code == 409


async def cancel(engine: Engine, job_id: str) -> tuple[int, str]:
    response = await engine.client.post(f"/v1/fine_tuning/jobs/{job_id}/cancel")
    return response.status_code, response.json().get("status", "")


async def test_cancels_at_once_and_twice_and_trains_the_next_job(start: Start) -> None:
    engine = await start(Faults(step_seconds=0.01))
    running = (await engine.submit(MANY_STEPS)).json()["id"]
    following = (await engine.submit()).json()["id"]
    await engine.job_is(running, "running")
    assert await cancel(engine, running) == (200, "cancelled")
    assert await cancel(engine, running) == (200, "cancelled")
    assert (await engine.finished(following))["status"] == "succeeded"
    assert (await engine.job(running))["fine_tuned_model"] is None
    assert (await cancel(engine, following))[0] == 409
    assert messages(await engine.events(running))[0] == "Cancelled"


async def test_deletes_the_lora_of_a_job_cancelled_too_late_unless_it_is_anothers(
    start: Start,
) -> None:
    engine = await start(Faults(step_seconds=0.005, ignores_cancelling=True))
    wanted = (await engine.finished((await engine.submit()).json()["id"]))["fine_tuned_model"]
    for seed in (0, 1):
        job_id = (await engine.submit(10, seed=seed)).json()["id"]
        await engine.job_is(job_id, "running")
        assert await cancel(engine, job_id) == (200, "cancelled")
        await engine.finished((await engine.submit()).json()["id"])
        assert (await engine.job(job_id))["status"] == "cancelled"
    models = (await engine.client.get("/v1/models")).json()["data"]
    assert [model["id"] for model in models] == [BASE, wanted]


async def test_keeps_a_file_and_a_lora_that_a_job_needs(start: Start) -> None:
    engine = await start()
    lora = (await engine.finished((await engine.submit()).json()["id"]))["fine_tuned_model"]
    engine.backend.faults.step_seconds = 1
    job = (await engine.submit(model=lora)).json()
    for path in (f"/v1/files/{job['training_file']}", f"/v1/models/{lora}"):
        assert (await engine.client.delete(path)).status_code == 409
    await cancel(engine, job["id"])
    for path in (f"/v1/files/{job['training_file']}", f"/v1/models/{lora}"):
        assert (await engine.client.delete(path)).json()["deleted"] is True


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"hyperparameters": {"max_steps": 0}}, "hyperparameters.max_steps"),
        ({"hyperparameters": {"magic": 1}}, "hyperparameters.magic"),
        ({"hyperparameters": {"schedule_span": [0.5, 0.5]}}, "hyperparameters.schedule_span"),
        ({"hyperparameters": {"schedule_span": [0.5]}}, "hyperparameters.schedule_span"),
        ({"hyperparameters": {"alpha": None}}, "hyperparameters.alpha"),
        ({"hyperparameters": None}, "hyperparameters"),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"method": {"type": "self-distillation"}}, "method"),
        ({"seed": -1}, "seed"),
        ({"suffix": "a b"}, "suffix"),
        ({"suffix": "a" * 65}, "suffix"),
        ({"metadata": {"k": 1}}, "metadata.k"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"integrations": []}, "integrations"),
    ],
)
async def test_names_the_field_at_fault(start: Start, extra: dict[str, Any], param: str) -> None:
    engine = await start()
    refused = await engine.submit(**extra)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


async def test_a_figure_that_training_could_not_compute_is_null(start: Start) -> None:
    engine = await start(Faults(loss=float("nan")))
    job = await engine.finished((await engine.submit()).json()["id"])
    assert job["result_metrics"]["train_loss"] is None
    metrics = [event for event in await engine.events(job["id"]) if event["type"] == "metrics"]
    assert metrics[0]["data"]["train_loss"] is None


async def test_tells_which_line_of_a_file_is_broken(start: Start) -> None:
    engine = await start()
    for content, hint in ((b"\xff", "not UTF-8"), (b"\n{", "line 2"), (b"\n \n", "no rows")):
        training_file = (await engine.upload(content)).json()["id"]
        refused = await engine.submit(training_file=training_file)
        assert refused.json()["error"]["param"] == "training_file"
        assert hint in refused.json()["error"]["message"]
    good = (await engine.upload(ROWS)).json()["id"]
    bad = (await engine.upload(b"{")).json()["id"]
    refused = await engine.submit(training_file=good, validation_file=bad)
    assert refused.json()["error"]["param"] == "validation_file"
