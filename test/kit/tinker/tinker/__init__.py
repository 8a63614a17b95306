"""
Stands in for the provider's SDK of the same name, as far as it is used: a provider in a folder,
FAKE_TINKER_DIR, that several processes share. Calls are noted in `calls.jsonl`; faults are read
from `faults.json` before each. What it computes is in `toy.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinker import toy

FOLDER = Path(os.environ["FAKE_TINKER_DIR"])
BASES = os.environ.get("FAKE_TINKER_BASES", "base/tiny").split(",")
PAUSE = 0.1


class TinkerError(Exception):
    pass


class APIConnectionError(TinkerError):
    pass


class APIStatusError(TinkerError):
    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code


class NotFoundError(APIStatusError):
    pass


class BadRequestError(APIStatusError):
    pass


def status_error(place: str, status: int) -> APIStatusError:
    kind = {400: BadRequestError, 404: NotFoundError}.get(status, APIStatusError)
    return kind(f"{place}: status {status}", status)


def faults() -> dict[str, Any]:
    try:
        return json.loads((FOLDER / "faults.json").read_text())
    except (OSError, ValueError):
        return {}


def deaths() -> str:
    path = FOLDER / "deaths"
    return path.read_text() if path.exists() else ""


def log_status(place: str, status: int) -> None:
    """As httpx logs every call of the SDK."""
    url = f"http://fake/api/v1/{place}"
    logging.getLogger("httpx").info(
        'HTTP Request: %s %s "%s %d %s"', "POST", url, "HTTP/1.1", status, "-"
    )


def call(place: str, **what: Any) -> None:
    """One call of the API. Raises the status that `faults` has for it."""
    status = faults().get("status", {}).get(place, 200)
    log_status(place, status)
    with (FOLDER / "calls.jsonl").open("a") as file:
        file.write(f"{json.dumps({'place': place, 'status': status, **what})}\n")
    if faults().get("dies") == place:
        os._exit(9)
    if status >= 400:
        raise status_error(place, status)


def patient(place: str, **what: Any) -> None:
    """As the SDK, which asks again for ever where it is answered 429."""
    while faults().get("status", {}).get(place) == 429:
        log_status(place, 429)
        time.sleep(PAUSE)
    call(place, **what)


class APIFuture:
    def __init__(self, work: Callable[[], Any]) -> None:
        self._future: Future[Any] = Future()
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            result = work()
        except Exception as error:
            self._settle(partial(self._future.set_exception, error))
        else:
            self._settle(partial(self._future.set_result, result))

    def _settle(self, settle: Callable[[], None]) -> None:
        if self._future.set_running_or_notify_cancel():
            settle()

    def result(self, timeout: float | None = None) -> Any:
        return self._future.result(timeout)

    async def result_async(self, timeout: float | None = None) -> Any:
        return await asyncio.wait_for(asyncio.wrap_future(self._future), timeout)

    def __await__(self) -> Any:
        return self.result_async().__await__()


@dataclass(frozen=True)
class ModelInput:
    ids: list[int]

    @classmethod
    def from_ints(cls, ids: list[int]) -> ModelInput:
        return cls(list(ids))


@dataclass(frozen=True)
class TensorData:
    array: np.ndarray

    @classmethod
    def from_numpy(cls, array: np.ndarray) -> TensorData:
        return cls(array)

    @property
    def data(self) -> list[float]:
        return self.array.flatten().tolist()


@dataclass(frozen=True)
class Datum:
    model_input: ModelInput
    loss_fn_inputs: dict[str, TensorData]


@dataclass(frozen=True)
class SamplingParams:
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[int] | None = None


@dataclass(frozen=True)
class AdamParams:
    learning_rate: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    grad_clip_norm: float


def file_of(path: str) -> Path:
    return FOLDER / "kept" / f"{path.removeprefix('tinker://')}.npz"


def load(path: str) -> toy.State:
    file = file_of(path)
    if not file.exists():
        raise status_error(path, 404)
    return toy.State.load(file)


class TrainingClient:
    def __init__(self, state: toy.State) -> None:
        self.model_id = f"run-{uuid.uuid4().hex[:12]}"
        self._state = state
        self._order = 0
        self._steps = 0
        self._turn = threading.Condition()
        self._next = 0

    def _in_order(self, work: Callable[[], Any]) -> APIFuture:
        """Requests are computed in the order in which they are sent."""
        place, self._order = self._order, self._order + 1

        def run() -> Any:
            with self._turn:
                self._turn.wait_for(lambda: self._next == place)
            try:
                return work()
            finally:
                with self._turn:
                    self._next += 1
                    self._turn.notify_all()

        return APIFuture(run)

    def forward(self, data: list[Datum], loss_fn: str) -> APIFuture:
        return self._in_order(lambda: self._forward("forward", data, loss_fn))

    def forward_backward(self, data: list[Datum], loss_fn: str) -> APIFuture:
        return self._in_order(lambda: self._forward("forward_backward", data, loss_fn))

    def _forward(self, place: str, data: list[Datum], loss_fn: str) -> Any:
        tokens = sum(len(one.model_input.ids) for one in data)
        call(place, run=self.model_id, rows=len(data), tokens=tokens)
        assert loss_fn == "cross_entropy"
        outputs = []
        for one in data:
            targets = one.loss_fn_inputs["target_tokens"].array
            weights = one.loss_fn_inputs["weights"].array
            assert len(targets) == len(weights) == len(one.model_input.ids)
            learns = place == "forward_backward"
            nats = self._state.learn(one.model_input.ids, targets, weights, learns)
            if faults().get("count") == "short":
                nats = nats[:-1]
            outputs.append({"logprobs": TensorData(nats)})
        return SimpleNamespace(loss_fn_outputs=outputs, metrics={})

    def optim_step(self, parameters: AdamParams) -> APIFuture:
        def step() -> None:
            call("optim_step", run=self.model_id, rate=parameters.learning_rate)
            self._state.step(parameters)
            time.sleep(faults().get("step_seconds", 0))
            self._steps += 1
            if self._steps == faults().get("die_at") and len(deaths()) < faults()["deaths"]:
                with (FOLDER / "deaths").open("a") as file:
                    file.write("x")
                os._exit(9)

        return self._in_order(step)

    def _keep(self, kind: str, name: str, ttl_seconds: int | None, with_optimizer: bool) -> Any:
        place = "save_weights" if kind == "weights" else "save_weights_for_sampler"
        path = f"tinker://{self.model_id}/{kind}/{name}"
        call(place, run=self.model_id, path=path, ttl=ttl_seconds)
        self._state.save(file_of(path), with_optimizer)
        return SimpleNamespace(path=path)

    def save_state(
        self, name: str, ttl_seconds: int | None = None, overwrite: bool = False
    ) -> APIFuture:
        return self._in_order(lambda: self._keep("weights", name, ttl_seconds, True))

    def save_weights_for_sampler(self, name: str, ttl_seconds: int | None = None) -> APIFuture:
        return self._in_order(lambda: self._keep("sampler_weights", name, ttl_seconds, False))

    def save_weights_external(self, name: str, ttl_seconds: int | None = None) -> APIFuture:
        def export() -> Any:
            path = f"tinker://{self.model_id}/external_weights/{name}"
            call("save_weights_external", path=path)
            folder = FOLDER / "exports" / self.model_id / name
            folder.mkdir(parents=True, exist_ok=True)
            self._state.export(folder)
            self._state.save(file_of(path), False)
            return SimpleNamespace(path=path)

        return self._in_order(export)


class SamplingClient:
    def __init__(self, state: toy.State) -> None:
        self._state = state

    def sample(
        self,
        prompt: ModelInput,
        num_samples: int,
        sampling_params: SamplingParams,
        include_prompt_logprobs: bool = False,
        topk_prompt_logprobs: int = 0,
        topk_sample_logprobs: int = 0,
    ) -> APIFuture:
        def answer() -> Any:
            patient("asample", tokens=len(prompt.ids))
            time.sleep(faults().get("sample_seconds", 0))
            return self._answer(
                prompt.ids,
                sampling_params,
                include_prompt_logprobs,
                topk_prompt_logprobs,
                topk_sample_logprobs,
            )

        return APIFuture(answer)

    def _answer(
        self, ids: list[int], parameters: SamplingParams, scores: bool, top_prompt: int, top: int
    ) -> Any:
        fault = faults().get("logprobs")
        tokens, nats, named, reason = self._state.sample(ids, parameters, top)
        if fault == "other":
            nats = [value - 1.0 for value in nats]
        if fault == "short":
            nats = nats[:-1]
        prompt_nats = self._state.prompt_nats(ids) if scores else None
        if scores and fault == "short scores":
            prompt_nats = prompt_nats[:-1]
        return SimpleNamespace(
            sequences=[
                SimpleNamespace(
                    tokens=tokens, logprobs=nats, topk_logprobs=named, stop_reason=reason
                )
            ],
            prompt_logprobs=prompt_nats,
            topk_prompt_logprobs=self._state.prompt_top(ids, top_prompt) if top_prompt else None,
            prompt_cache_hit_tokens=0,
        )


class ServiceClient:
    def __init__(self) -> None:
        call("create_session")

    def create_lora_training_client(
        self, base_model: str, rank: int, seed: int, train_unembed: bool
    ) -> APIFuture:
        def create() -> TrainingClient:
            call("create_model", base=base_model)
            if faults().get("retired") or base_model not in BASES:
                raise status_error(base_model, 400)
            return TrainingClient(toy.State.new(rank))

        return APIFuture(create)

    def create_training_client_from_state_with_optimizer(self, path: str) -> APIFuture:
        return APIFuture(partial(self._from_state, path, True))

    def create_training_client_from_state(self, path: str) -> APIFuture:
        return APIFuture(partial(self._from_state, path, False))

    def _from_state(self, path: str, with_optimizer: bool) -> TrainingClient:
        call("load_weights", path=path, optimizer=with_optimizer)
        state = load(path)
        return TrainingClient(state if with_optimizer else state.without_optimizer())

    def create_sampling_client(
        self, base_model: str | None = None, model_path: str | None = None
    ) -> APIFuture:
        def create() -> SamplingClient:
            call("create_sampling_session", base=base_model, path=model_path)
            is_ignored = faults().get("apply") == "ignore"
            if model_path is None or is_ignored:
                return SamplingClient(toy.State.new())
            return SamplingClient(load(model_path))

        return APIFuture(create)

    def close(self, status: str) -> None:
        pass


class RestClient:
    def get_server_capabilities(self) -> APIFuture:
        def answer() -> Any:
            call("get_server_capabilities")
            bases = [] if faults().get("retired") else BASES
            return SimpleNamespace(
                supported_models=[SimpleNamespace(model_name=base) for base in bases]
            )

        return APIFuture(answer)

    def get_external_weights_urls(self, path: str) -> APIFuture:
        def answer() -> Any:
            call("external_weights_urls")
            run, _, name = path.removeprefix("tinker://").split("/")
            folder = FOLDER / "exports" / run / name
            return SimpleNamespace(
                urls={file.name: serve_file(file) for file in sorted(folder.iterdir())}
            )

        return APIFuture(answer)

    def set_checkpoint_ttl_from_tinker_path(self, path: str, ttl_seconds: None) -> APIFuture:
        return APIFuture(lambda: patient("ttl", path=path, ttl=ttl_seconds))

    def delete_checkpoint_from_tinker_path(self, path: str) -> APIFuture:
        def delete() -> None:
            patient("delete", path=path)
            if not faults().get("keeps"):
                file_of(path).unlink(missing_ok=True)

        return APIFuture(delete)

    def list_checkpoints(self, run: str) -> APIFuture:
        def answer() -> Any:
            call("training_runs")
            folder = FOLDER / "kept" / run
            paths = [
                f"tinker://{file.relative_to(FOLDER / 'kept').with_suffix('')}"
                for file in folder.rglob("*.npz")
            ]
            return SimpleNamespace(checkpoints=[SimpleNamespace(tinker_path=one) for one in paths])

        return APIFuture(answer)


def serve_file(file: Path) -> str:
    """Its address, as long as this process runs."""
    handler = partial(QuietHandler, directory=str(file.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    token = hashlib.sha256(file.name.encode()).hexdigest()[:8]
    return f"http://127.0.0.1:{server.server_port}/{file.name}?signature={token}"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass
