"""
Trains one lora at the provider: `python train.py task.json`. Its lines on stdout, its end by stdin
or SIGTERM, and its task are those of the trainer; one line is its own:

{"kind": "conditions", "conditions": ["throttled", …]}, all that holds now.

While the provider refuses, is away or has lost what it had, the job waits, longer each time, and
goes on from its last checkpoint there. Out come a PEFT folder and the record of what lies at the
provider.
"""

from __future__ import annotations

import concurrent.futures
import json
import math
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shared  # noqa: F401
import tinker
from archive import download
from errors import TrainingError
from job import (
    Record,
    TinkerTask,
    batch_loss,
    completion_nats,
    datum,
    read_record,
)
from provider import Watch, causes_of, supports, trouble_of
from report import Report, end_with_parent
from rows import Row, total_label_weight
from schedule import BETAS, CLIP_NORM, EPSILON, learning_rate_at, validations_due
from task import read_task
from teacher import rows_to_learn

#: exit status after SIGTERM, as a shell reports it
STOPPED_STATUS = 128 + signal.SIGTERM
#: seconds between two looks at whether the job is stopped
LOOK = 0.5
#: seconds before another attempt: the first, and at most
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 120.0
#: attempts after errors that say nothing of the provider, without a step in between
ATTEMPTS = 4


class Stopped(Exception):
    """Training was asked to stop."""


class Job:
    """One task at the provider. Its methods raise what the SDK raises, and Stopped."""

    def __init__(self, task: TinkerTask, report: Report, stop: threading.Event) -> None:
        self._task = task
        self._report = report
        self._stop = stop
        self._folder = Path(task.checkpoint_dir)
        saved = read_record(self._folder / "tinker.json")
        is_own = saved is not None and saved.identity == task.identity
        self.record = saved if saved and is_own else Record(task.identity)
        self._rows: list[Row] | None = None

    def run(self) -> None:
        """From the last checkpoint to the end."""
        service = tinker.ServiceClient()
        try:
            self._check_base()
            client = self._client(service)
            rows = self._rows_to_learn(service)
            self._train(client, rows)
            self._finish(client)
        finally:
            service.close("success")

    def wait(self, answer: Any) -> Any:
        """An answer of the provider. Raises Stopped when none can be expected soon."""
        while True:
            try:
                return answer.result(timeout=LOOK)
            except concurrent.futures.TimeoutError:
                if self._stop.is_set() and watch.conditions:
                    raise Stopped from None

    def _check_base(self) -> None:
        base = self._task.model_path
        if not supports(self.wait(tinker.RestClient().get_server_capabilities()), base):
            watch.set("base-retired", True)
            raise TrainingError("invalid-model", f"the provider has no base model {base}")
        watch.set("base-retired", False)

    def _client(self, service: Any) -> Any:
        """The lora as the job's last checkpoint has it, or as the job begins."""
        task, record = self._task, self.record
        if record.state is not None:
            try:
                client = self.wait(
                    service.create_training_client_from_state_with_optimizer(record.state)
                )
            except Exception as error:
                if trouble_of(error) != "lost":
                    raise
                self._report.message(
                    "warn", "the provider has lost the job's checkpoint: it begins again"
                )
                self.record = Record(task.identity, base_nats=record.base_nats)
                self.record.save(self._folder)
                return self._client(service)
            self._report.message("info", f"resumed from the checkpoint at step {self._step}")
            return client
        if task.start:
            return self._continued(service)
        return self.wait(
            service.create_lora_training_client(
                base_model=task.model_path, rank=task.rank, seed=task.seed, train_unembed=False
            )
        )

    def _continued(self, service: Any) -> Any:
        parent = read_record(Path(self._task.start))
        if parent is None or parent.state is None:
            raise TrainingError("invalid-model", f"{self._task.start} names no state")
        create = (
            service.create_training_client_from_state_with_optimizer
            if self._task.schedule_span[0] > 0
            else service.create_training_client_from_state
        )
        try:
            client = self.wait(create(parent.state))
        except Exception as error:
            if trouble_of(error) != "lost":
                raise
            message = f"the provider no longer has {parent.state}: train from the base model"
            raise TrainingError("invalid-model", message) from error
        self.record.base_nats = parent.base_nats
        return client

    @property
    def _step(self) -> int:
        return self.record.counters.step

    def _rows_to_learn(self, service: Any) -> list[Row]:
        if self._rows is None:
            rows = self._task.rows()
            if rows and rows[0].teacher_prompt_ids is not None:
                base = self.wait(service.create_sampling_client(base_model=self._task.model_path))
                rows = rows_to_learn(base, rows, self._folder, self.wait, self._report)
            self._rows = rows
        return self._rows

    def _probes(self) -> list[Row]:
        return [Row(one["prompt_ids"], one["completion_ids"]) for one in self._task.probes]

    def _nats(self, client: Any, rows: Sequence[Row]) -> list[list[float]]:
        data = [datum(row, 1) for row in rows]
        output = self.wait(client.forward(data, "cross_entropy"))
        return [values.tolist() for values in completion_nats(output, rows)]

    def _train(self, client: Any, rows: Sequence[Row]) -> None:
        task, counters = self._task, self.record.counters
        if not self.record.base_nats:
            # an untrained lora changes nothing, and what trains is measured, not what serves
            self.record.base_nats = sum(self._nats(client, self._probes()), [])
        before, started = counters.elapsed_seconds, time.monotonic()
        saved = started
        while counters.progress(task, counters.step) < 1:
            if self._stop.is_set():
                self._save(client)
                raise Stopped
            batch = [rows[number] for number in task.batches[counters.step % len(task.batches)]]
            loss = self._timed_step(client, batch)
            self._validate_if_due(client)
            counters.elapsed_seconds = before + time.monotonic() - started
            self._report.progress(**counters.report(task, loss))
            if time.monotonic() - saved >= task.checkpoint_seconds:
                self._save(client)
                saved = time.monotonic()
        self._validate(client)
        self._save(client)

    def _timed_step(self, client: Any, rows: Sequence[Row]) -> float:
        started = time.monotonic()
        loss = self._gradient_step(client, rows)
        self.record.counters.count_step(loss, time.monotonic() - started)
        return loss

    def _gradient_step(self, client: Any, rows: Sequence[Row]) -> float:
        task, counters = self._task, self.record.counters
        weight_sum = total_label_weight(rows)
        # the middle of the step, so that neither the first nor the last step has rate 0
        rate = learning_rate_at(counters.progress(task, counters.step + 0.5), task)
        parameters = tinker.AdamParams(
            learning_rate=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            eps=EPSILON,
            weight_decay=task.weight_decay,
            grad_clip_norm=CLIP_NORM,
        )
        data = [datum(row, weight_sum) for row in rows]
        # both are sent before the first is there: the provider waits for neither
        gradient = client.forward_backward(data, "cross_entropy")
        stepped = client.optim_step(parameters)
        output = self.wait(gradient)
        self.wait(stepped)
        loss = batch_loss(completion_nats(output, rows), rows, weight_sum)
        if not math.isfinite(loss):
            raise TrainingError("internal", f"training diverged at step {self._step + 1}")
        counters.tokens += sum(row.length for row in rows)
        return loss

    def _validate_if_due(self, client: Any) -> None:
        counters = self.record.counters
        progress = counters.progress(self._task, counters.step)
        due = validations_due(progress, 0)
        if due > counters.validations and progress < 1:
            self._validate(client)
            counters.validations = due

    def _validate(self, client: Any) -> None:
        rows = self._task.validation_rows()
        if rows:
            nats = self._nats(client, rows)
            tokens = sum(len(values) for values in nats)
            self.record.counters.valid_loss = -sum(sum(values) for values in nats) / tokens

    def _save(self, client: Any) -> None:
        """Keeps the state at the provider, then names it here, then lets the former one go."""
        former = self.record.state
        name = f"step-{self._step}"
        answer = client.save_state(name, ttl_seconds=self._task.state_seconds, overwrite=True)
        path = self.wait(answer).path
        self.record.state = path
        self.record.save(self._folder)
        if former is not None and former != path:
            self._forget(former)

    def _forget(self, path: str) -> None:
        try:
            self.wait(tinker.RestClient().delete_checkpoint_from_tinker_path(path))
        except Stopped:
            raise
        except Exception as error:  # it ends by itself after `state_days`
            print(f"{path} was not deleted: {error}", file=sys.stderr)

    def _finish(self, client: Any) -> None:
        """The lora as it is served, as it goes on, and as files of ours."""
        record, output = self.record, Path(self._task.output)
        temporary = record.state
        # until it is published: of a job that ends before, nothing stays at the provider
        seconds = self._task.state_seconds
        served = self.wait(client.save_weights_for_sampler("served", ttl_seconds=seconds))
        kept = self.wait(client.save_state("kept", ttl_seconds=seconds, overwrite=True))
        record.weights, record.state = served.path, kept.path
        record.probe_nats = sum(self._nats(client, self._probes()), [])
        download(client, served.path, output, self.wait)
        record.save(output)
        record.save(self._folder)
        if temporary is not None and temporary != kept.path:
            self._forget(temporary)
        self._report.trained(
            trained_tokens=record.counters.tokens,
            metrics=record.counters.metrics(peak_memory_bytes()),
            probe={"base": record.base_nats, "lora": record.probe_nats},
        )


def peak_memory_bytes() -> int:
    """Of this process; the provider's is not known."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train(task: TinkerTask, report: Report, stop: threading.Event) -> None:
    """Tries until the job has ended, unless an error is none of the provider's state."""
    pause, attempts = FIRST_PAUSE, 0
    job = Job(task, report, stop)
    while True:
        step = job.record.counters.step
        try:
            return job.run()
        except (Stopped, TrainingError):
            raise
        except Exception as error:
            trouble = trouble_of(error)
            if trouble is None and isinstance(error, OSError):
                raise
            what = str(causes_of(error)[-1])[:300]
        job = Job(task, report, stop)
        attempts = 1 if job.record.counters.step > step else attempts + 1
        if trouble in (None, "lost") and attempts > ATTEMPTS:
            raise TrainingError(
                "engine-unavailable", f"the provider failed {attempts} times: {what}"
            )
        if attempts == 1:
            pause = FIRST_PAUSE
        report.message(
            "warn",
            f"the provider does not go on ({trouble or 'error'}: {what}); "
            f"the job waits {pause:.0f} s and goes on from its last checkpoint",
        )
        if stop.wait(pause):
            raise Stopped
        pause = min(2 * pause, LONGEST_PAUSE)


def say_conditions(conditions: list[str]) -> None:
    print(json.dumps({"kind": "conditions", "conditions": conditions}), flush=True)


watch = Watch(say_conditions)


def main() -> int:
    report, stop = Report(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    end_with_parent()
    # deprecations are for whoever raises the SDK's version; stderr is for what goes wrong
    warnings.simplefilter("ignore", FutureWarning)
    try:
        train(read_task(Path(sys.argv[1]), TinkerTask), report, stop)
    except Stopped:
        status = STOPPED_STATUS
    except TrainingError as error:
        report.failed(error.code, error.message)
        status = 1
    except OSError as error:
        report.failed("store-unavailable", f"the disk cannot be used: {error}")
        status = 1
    else:
        status = 0
    sys.stdout.flush()
    # threads of the SDK would hold the process while the provider does not answer
    os._exit(status)


if __name__ == "__main__":
    main()
