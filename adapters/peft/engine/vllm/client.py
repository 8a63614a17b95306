"""vLLM's API over a socket in the file system. Knows nothing of texts, chats and processes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from contract.errors import EngineError
from engine.vllm.wire import (
    Step,
    completion_body,
    events_of,
    failure,
    read_scores,
    read_step,
    score_body,
)
from serve import Generation

#: seconds. An answer may wait for its turn as long as its client does
HEALTH_SECONDS = 10.0
CHANGE_SECONDS = 300.0
#: an unlimited number of answers at a time; the contract's side has the limit
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=64)


class VllmClient:
    """Every method raises EngineError `engine_unavailable` when vLLM is away or fails."""

    def __init__(self, socket: Path, api_key: str) -> None:
        self._http = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket), limits=LIMITS),
            base_url="http://vllm",
            headers={"authorization": f"Bearer {api_key}"},
            timeout=None,
        )

    async def healthy(self) -> bool:
        """Never raises."""
        try:
            response = await self._http.get("/health", timeout=HEALTH_SECONDS)
        except httpx.HTTPError:
            return False
        return response.status_code == 200

    async def generate(
        self, model: str, request: Generation, end_ids: Sequence[int]
    ) -> AsyncGenerator[Step, None]:
        """
        Tokens as they come; the last step has a finish reason. Closing it ends the generation.

        Raises EngineError `invalid_request` for what vLLM refuses.
        """
        body = completion_body(model, request, end_ids)
        with _away():
            async with self._http.stream("POST", "/v1/completions", json=body) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise failure(response.status_code, _json(response))
                async for data in events_of(response.aiter_bytes()):
                    step = read_step(data)
                    if step is not None:
                        yield step

    async def score(self, model: str, ids: Sequence[int]) -> list[float]:
        """Nats of every token but the first; at least two tokens."""
        answer = await self._post("/v1/completions", score_body(model, ids), None)
        return read_scores(_json(answer), ids)

    async def load_lora(self, name: str, folder: Path) -> None:
        """
        May be repeated. Raises EngineError `internal` when vLLM refuses it, which it does for every
        reason with the status of a fault of its own; also for its own end, which is no fault of
        the lora's.
        """
        response = await self._load(name, folder)
        if response.status_code == 400:
            # a sleep, or a request that was given up in between, has left the name behind
            await self.unload_lora(name)
            response = await self._load(name, folder)
        if response.status_code != 200:
            said = failure(response.status_code, _json(response)).message
            if not await self.healthy():
                raise EngineError("engine_unavailable", said)
            raise EngineError("internal", f"the lora {name} cannot be loaded. {said}")

    async def _load(self, name: str, folder: Path) -> httpx.Response:
        """
        Never with `load_inplace`: vLLM would read the folder anew in every step of every answer,
        and end when it is gone while the last answer is being given up.
        """
        body = {"lora_name": name, "lora_path": str(folder.resolve())}
        with _away():
            return await self._http.post("/v1/load_lora_adapter", json=body, timeout=CHANGE_SECONDS)

    async def unload_lora(self, name: str) -> None:
        await self._post("/v1/unload_lora_adapter", {"lora_name": name}, CHANGE_SECONDS)

    async def sleep(self) -> None:
        """Weights go to host memory, caches are forgotten, requests under way are given up."""
        await self._post("/sleep?level=1&mode=abort", None, CHANGE_SECONDS)

    async def wake_up(self) -> None:
        await self._post("/wake_up", None, CHANGE_SECONDS)

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, path: str, body: Any, seconds: float | None) -> httpx.Response:
        with _away():
            response = await self._http.post(path, json=body, timeout=seconds)
        if response.status_code != 200:
            raise failure(response.status_code, _json(response))
        return response


@contextmanager
def _away() -> Iterator[None]:
    """Whatever goes wrong with the connection means that vLLM is away."""
    try:
        yield
    except httpx.HTTPError as error:
        raise EngineError(
            "engine_unavailable", f"vLLM does not answer ({error or type(error).__name__})"
        ) from error


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text
