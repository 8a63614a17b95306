"""The stand-in's routes, in the words of vLLM 0.33, and the model behind them."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine.base_model import open_base_model
from engine.constraint import Choices, JsonObject
from engine.lora_model import Placement, load_weights
from engine.sampler import SampledToken, Sampler, Sampling


class Slots:
    """
    The loras in GPU memory, of which a request knows its lora's place. Loading one takes the place
    of the one that was used longest ago, also in the middle of its requests, whose next step brings
    it back to another place. vLLM 0.22 to 0.24 went on with the former (vllm-project/vllm
    issue 47724).
    """

    def __init__(self, count: int) -> None:
        self.places: list[str | None] = [None] * count
        #: the least recently used first
        self.used: list[str | None] = [*self.places]
        #: as each lora's requests know it
        self.known: dict[str, int] = {}

    def activate(self, lora: str) -> None:
        if lora not in self.places:
            self.places[self.places.index(self.used[0])] = lora
            self.used[0] = lora
        self.used.remove(lora)
        self.used.append(lora)

    def lora_that_computes(self, lora: str, *, is_stale: bool) -> str:
        self.activate(lora)
        if not is_stale or lora not in self.known:
            self.known[lora] = self.places.index(lora)
        return self.places[self.known[lora]] or lora


class Model:
    """The base model and PEFT's adapters; one forward pass at a time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.base = open_base_model(Path(options.model))
        self.weights = load_weights(self.base, Placement("cpu", options.dtype))
        self.peft: PeftModel | None = None
        #: adapter names by lora; None is one that is silently not applied
        self.loras: dict[str, str | None] = {}
        #: folders of loras that were loaded in place, which vLLM reads anew in every step
        self.read_anew: dict[str, Path] = {}
        self.made = 0
        self.max_rank = options.max_lora_rank
        self.slots = Slots(options.max_loras)

    def load(self, lora: str, folder: Path) -> None:
        rank = json.loads((folder / "adapter_config.json").read_text())["r"]
        if rank > self.max_rank:
            raise ValueError(f"LoRA rank {rank} is greater than max_lora_rank {self.max_rank}.")
        self.made += 1
        # a lora's name may have points, which torch's modules may not
        adapter = f"adapter_{self.made}"
        if self.peft is None:
            self.peft = PeftModel.from_pretrained(self.weights, folder, adapter_name=adapter)
        else:
            self.peft.load_adapter(folder, adapter_name=adapter)
        self.loras[lora] = adapter
        self.slots.activate(lora)

    def logprobs(
        self, lora: str | None, ids: list[int], *, slots_are_stale: bool = False
    ) -> np.ndarray:
        """Of what follows every token: [tokens, vocabulary]."""
        folder = None if lora is None else self.read_anew.get(lora)
        if folder is not None and not folder.exists():
            # an error in a step is the end of vLLM's engine core
            os.kill(os.getpid(), signal.SIGKILL)
        adapter = None
        if lora is not None:
            adapter = self.loras[self.slots.lora_that_computes(lora, is_stale=slots_are_stale)]
        if adapter is not None:
            self.peft.set_adapter(adapter)
        off = self.peft is not None and adapter is None
        with torch.inference_mode(), self.peft.disable_adapter() if off else nullcontext():
            logits = self.weights(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        return torch.log_softmax(logits.float(), dim=-1).numpy()


def spelled(token: SampledToken) -> dict[str, float]:
    others = {f"token_id:{one.token_id}": one.logprob for one in token.top}
    return {f"token_id:{token.token_id}": token.logprob, **others}


def error(status: int, message: str) -> JSONResponse:
    body = {"message": message, "type": "Error", "param": None, "code": status}
    return JSONResponse({"error": body}, status)


class Api:
    def __init__(self, model: Model, options: argparse.Namespace, fault: Any, note: Any) -> None:
        self.model = model
        self.options = options
        self.fault = fault
        self.note = note
        self.computing = asyncio.Lock()
        self.asleep = False
        self.tokens = 0

    async def completions(self, request: Request) -> Response:
        body = await request.json()
        model, prompt = body["model"], body["prompt"]
        if self.asleep:
            return error(503, "asleep, which a real one would not say but wait")
        if model != self.options.served_model_name and model not in self.model.loras:
            return error(404, f"The model `{model}` does not exist.")
        if len(prompt) + 1 > self.options.max_model_len:
            return error(400, "the prompt is longer than the model reads")
        self.note(f"salted {'cache_salt' in body} {model}")
        if body.get("stream"):
            return StreamingResponse(self.events(body), media_type="text/event-stream")
        return await self.scores(body)

    async def logprobs(
        self, lora: str, ids: list[int], *, slots_are_stale: bool = False
    ) -> np.ndarray:
        name = None if lora == self.options.served_model_name else lora
        async with self.computing:
            return await asyncio.to_thread(
                self.model.logprobs, name, ids, slots_are_stale=slots_are_stale
            )

    async def scores(self, body: dict[str, Any]) -> Response:
        prompt = body["prompt"]
        (last,) = body["allowed_token_ids"]
        logprobs = await self.logprobs(body["model"], prompt)
        given: list[Any] = [None]
        for place, token in enumerate(prompt[1:]):
            given.append({str(token): {"logprob": float(logprobs[place, token]), "rank": 1}})
        choice = {
            "index": 0,
            "text": "",
            "logprobs": {"token_logprobs": [float(logprobs[-1, last])]},
            "prompt_logprobs": given,
            "finish_reason": "length",
        }
        return JSONResponse({"choices": [choice]})

    def constraint(self, body: dict[str, Any]) -> Choices | JsonObject | None:
        tokenizer, asked = self.model.base.tokenizer, body.get("structured_outputs") or {}
        if "choice" in asked:
            texts = [tokenizer.encode_text(text, continues=True) for text in asked["choice"]]
            return Choices(texts, self.model.base.eos_ids[0])
        if "json_object" in asked:
            return JsonObject(tokenizer.decode_bytes, body["max_tokens"])
        return None

    async def events(self, body: dict[str, Any]) -> AsyncIterator[str]:
        ids, count = list(body["prompt"]), 0
        sampling = Sampling(body["temperature"], body["top_p"], body["seed"])
        sampler, constraint = Sampler(sampling, body["logprobs"]), self.constraint(body)
        reason = None
        while reason is None:
            # a request that begins is told its lora's place anew, so a score is always right
            is_stale = count > 0 and self.fault("slots") == "stale"
            logprobs = await self.logprobs(body["model"], ids, slots_are_stale=is_stale)
            token = sampler.choose(logprobs[-1], constraint)
            count += 1
            self.tokens += 1
            ids.append(token.token_id)
            if constraint is not None:
                constraint.advance(token.token_id)
            if token.token_id in body["stop_token_ids"] or (constraint and constraint.finished):
                reason = "stop"
            elif count == body["max_tokens"]:
                reason = "length"
            elif self.asleep:
                reason = "abort"
            yield f"data: {json.dumps(self.chunk(token, reason))}\n\n"
            if self.fault("die_after") is not None and self.tokens >= self.fault("die_after"):
                os.kill(os.getpid(), signal.SIGKILL)
        yield "data: [DONE]\n\n"

    @staticmethod
    def chunk(token: SampledToken, reason: str | None) -> dict[str, Any]:
        logprobs = {"token_logprobs": [token.logprob], "top_logprobs": [spelled(token)]}
        choice = {
            "index": 0,
            "text": "?",
            "logprobs": logprobs,
            "finish_reason": reason,
            "token_ids": [token.token_id],
        }
        return {"object": "text_completion", "choices": [choice]}

    async def load(self, request: Request) -> Response:
        body = await request.json()
        lora, folder = body["lora_name"], Path(body["lora_path"])
        self.note(f"load {lora}")
        in_place = body.get("load_inplace", False)
        if lora in self.model.loras and not in_place:
            return error(400, f"The lora adapter '{lora}' has already been loaded.")
        if self.fault("load") == "fail":
            return error(500, "there is no room for it")
        if self.fault("load") == "ending":
            return error(500, "EngineCore encountered an issue")
        async with self.computing:
            try:
                await asyncio.to_thread(self.model.load, lora, folder)
            except (ValueError, OSError) as failed:
                return error(500, str(failed))
        if in_place:
            self.model.read_anew[lora] = folder
        if self.fault("load") == "ignore":
            self.model.loras[lora] = None
        return Response("Success")

    async def unload(self, request: Request) -> Response:
        lora = (await request.json())["lora_name"]
        self.note(f"unload {lora}")
        if self.model.loras.pop(lora, "missing") == "missing":
            return error(404, f"The lora adapter '{lora}' cannot be found.")
        return Response("Success")

    async def sleep(self, request: Request) -> Response:
        self.note(f"sleep {request.query_params['level']}")
        if self.fault("sleep") == "fail":
            return error(500, "it does not sleep")
        self.asleep = True
        return JSONResponse({"status": "sleeping"})

    async def wake_up(self, _: Request) -> Response:
        self.note("wake")
        if self.fault("wake") == "fail":
            return error(500, "it does not wake")
        self.asleep = False
        return JSONResponse({"status": "awake"})

    async def health(self, _: Request) -> Response:
        return Response(status_code=503 if self.fault("load") == "ending" else 200)


def create_app(
    options: argparse.Namespace,
    api_key: str,
    fault: Callable[[str], Any],
    note: Callable[[str], None],
) -> Starlette:
    api = Api(Model(options), options, fault, note)

    def guarded(handler: Any) -> Any:
        async def check(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {api_key}":
                return error(401, "Unauthorized")
            return await handler(request)

        return check

    routes = [
        Route("/health", api.health),
        Route("/v1/completions", guarded(api.completions), methods=["POST"]),
    ]
    if os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "1":
        routes += [
            Route("/v1/load_lora_adapter", guarded(api.load), methods=["POST"]),
            Route("/v1/unload_lora_adapter", guarded(api.unload), methods=["POST"]),
        ]
    if os.environ.get("VLLM_SERVER_DEV_MODE") == "1":
        routes += [
            Route("/sleep", api.sleep, methods=["POST"]),
            Route("/wake_up", api.wake_up, methods=["POST"]),
        ]
    return Starlette(routes=routes)
