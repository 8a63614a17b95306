"""
Serves loras by the provider's sampling, for as long as its stdin is open: JSON lines in and out.

in   {"id", "call", …}, the calls below; {"cancel": id}
out  {"id", "result": {…}} or {"id", "error": {"code", "message"}}, and of its own accord
     {"conditions": ["throttled", …]}, all that holds now

A call is one of
- sample: `model` (a path at the provider, or null for the base), `prompt`, `max_tokens`,
  `temperature`, `top_p`, `seed`, `stop` (token ids), `top`
- score: `model`, `ids`: a log-probability of each, the first one without
- keep: `paths` are kept until they are deleted
- delete: `path`; whether the provider has it no more

Knows no texts. How many calls there are at a time is decided by what calls.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import tinker
from provider import TIMEOUTS, Watch, causes_of, model_input, supports, trouble_of

#: samplers that stay open, each a session at the provider
MAX_SAMPLERS = 64
#: a line of input: a prompt's ids
MAX_LINE_BYTES = 64 * 2**20
#: seconds that an answer may take after the provider refused a call
PATIENCE = 5.0
#: seconds between two looks at the provider: while something is wrong, and else
LOOK_AGAIN, LOOK = 30.0, 300.0
#: what the API has not that is asked
NOT_THERE = (404, 405)

Call = dict[str, Any]


class Refused(Exception):
    """The provider refuses calls, and this one waited for it."""


class Server:
    def __init__(self, base_model: str) -> None:
        self._base = base_model
        self._service: Any = None
        self._opening = asyncio.Lock()
        self._samplers: OrderedDict[str | None, asyncio.Task[Any]] = OrderedDict()
        self._running: dict[int, asyncio.Task[None]] = {}
        loop = asyncio.get_running_loop()
        # the SDK calls from a thread of its own
        self.watch = Watch(lambda found: loop.call_soon_threadsafe(say, {"conditions": found}))

    def take(self, line: bytes) -> None:
        call = json.loads(line)
        if "cancel" in call:
            running = self._running.get(call["cancel"])
            if running is not None:
                running.cancel()
            return
        task = asyncio.create_task(self._answer(call))
        self._running[call["id"]] = task
        task.add_done_callback(lambda _: self._running.pop(call["id"], None))

    async def look(self) -> None:
        """Whether the provider answers and has the base model, every few minutes."""
        while True:
            try:
                capabilities = await asyncio.wait_for(self._capabilities(), LOOK_AGAIN)
                self.watch.set("away", False)
                self.watch.set("base-retired", not supports(capabilities, self._base))
            except Exception:
                # what is refused is answered
                refused = [found for found in self.watch.conditions if found != "away"]
                self.watch.set("away", not refused)
            await asyncio.sleep(LOOK_AGAIN if self.watch.conditions else LOOK)

    async def _capabilities(self) -> Any:
        rest = await asyncio.to_thread(tinker.RestClient)
        return await rest.get_server_capabilities()

    async def _answer(self, call: Call) -> None:
        answers: dict[str, Callable[[Call], Awaitable[Any]]] = {
            "sample": self._sample,
            "score": self._score,
            "keep": self._keep,
            "delete": self._delete,
        }
        try:
            result = await answers[call["call"]](call)
            say({"id": call["id"], "result": result})
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._forget_lost(error)
            say({"id": call["id"], "error": {"code": code_of(error), "message": text_of(error)}})

    async def _sampler(self, model: str | None) -> Any:
        async with self._opening:
            if self._service is None:
                self._service = await asyncio.to_thread(tinker.ServiceClient)
        opening = self._samplers.get(model)
        if opening is None:
            opening = asyncio.create_task(self._open(model))
            self._samplers[model] = opening
            while len(self._samplers) > MAX_SAMPLERS:
                self._samplers.popitem(last=False)
        self._samplers.move_to_end(model)
        try:
            # one that is cancelled takes no other's sampler with it
            return await asyncio.shield(opening)
        except Exception:
            self._samplers.pop(model, None)
            raise

    async def _open(self, model: str | None) -> Any:
        chosen = {"base_model": self._base} if model is None else {"model_path": model}
        # its first step may ask the provider and wait for it
        return await (await asyncio.to_thread(self._service.create_sampling_client, **chosen))

    def _forget_lost(self, error: Exception) -> None:
        """A session that has ended is opened anew by the next call."""
        if trouble_of(error) == "lost":
            self._samplers.clear()
            self._service = None

    async def _ask(self, model: str | None, **fields: Any) -> Any:
        sampler = await self._patiently(asyncio.ensure_future(self._sampler(model)))
        answer = sampler.sample(num_samples=1, **fields)
        return await self._patiently(asyncio.ensure_future(answer.result_async()))

    async def _told(self, answer: Any) -> Any:
        return await self._patiently(asyncio.ensure_future(result_of(answer)))

    async def _patiently(self, answer: asyncio.Future[Any]) -> Any:
        """The SDK waits for ever where the provider answers 429."""
        refused = 0.0
        try:
            while True:
                with suppress(*TIMEOUTS):
                    return await asyncio.wait_for(asyncio.shield(answer), 1.0)
                refused = refused + 1 if self.watch.conditions else 0.0
                if refused >= PATIENCE:
                    raise Refused(", ".join(self.watch.conditions))
        finally:
            answer.cancel()

    async def _sample(self, call: Call) -> Any:
        parameters = tinker.SamplingParams(
            max_tokens=call["max_tokens"],
            temperature=call["temperature"],
            top_p=call["top_p"],
            seed=call["seed"],
            stop=call["stop"],
        )
        named = {"topk_sample_logprobs": call["top"]} if call["top"] else {}
        prompt = model_input(call["prompt"])
        answer = await self._ask(call["model"], prompt=prompt, sampling_params=parameters, **named)
        (sequence,) = answer.sequences
        return {
            "tokens": sequence.tokens,
            "logprobs": sequence.logprobs,
            "top": sequence.topk_logprobs if named else None,
            "reason": sequence.stop_reason,
            "cached": getattr(answer, "prompt_cache_hit_tokens", 0),
        }

    async def _score(self, call: Call) -> Any:
        answer = await self._ask(
            call["model"],
            prompt=model_input(call["ids"]),
            sampling_params=tinker.SamplingParams(max_tokens=1, temperature=0.0),
            include_prompt_logprobs=True,
        )
        return {"logprobs": answer.prompt_logprobs}

    async def _keep(self, call: Call) -> Any:
        rest = await asyncio.to_thread(tinker.RestClient)
        for path in call["paths"]:
            try:
                await self._told(rest.set_checkpoint_ttl_from_tinker_path(path, None))
            except tinker.APIStatusError as error:
                # a server that ends nothing by itself; what is lost shows when it is asked
                if error.status_code not in NOT_THERE:
                    raise
        return {}

    async def _delete(self, call: Call) -> Any:
        rest = await asyncio.to_thread(tinker.RestClient)
        path = call["path"]
        run = path.removeprefix("tinker://").split("/")[0]
        with suppress(tinker.NotFoundError):
            await self._told(rest.delete_checkpoint_from_tinker_path(path))
        try:
            listed = (await self._told(rest.list_checkpoints(run))).checkpoints
        except tinker.NotFoundError:
            listed = []
        return {"gone": all(checkpoint.tinker_path != path for checkpoint in listed)}


async def result_of(answer: Any) -> Any:
    return await answer


def code_of(error: Exception) -> str:
    """The engine contract's; `invalid-state` for what the provider has no more."""
    trouble = str(error) if isinstance(error, Refused) else trouble_of(error)
    if trouble == "throttled":
        return "overloaded"
    if trouble == "lost":
        return "invalid-state"
    if trouble is not None:
        return "engine-unavailable"
    return "invalid-request" if isinstance(error, tinker.BadRequestError) else "internal"


def text_of(error: Exception) -> str:
    if isinstance(error, Refused):
        return f"the provider refuses calls: {error}"
    last = causes_of(error)[-1]
    return f"{type(last).__name__}: {str(last)[:500]}"


def say(line: Any) -> None:
    try:
        print(json.dumps(line), flush=True)
    except BrokenPipeError:
        sys.exit(1)


async def main() -> None:
    warnings.simplefilter("ignore", FutureWarning)
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    server = Server(sys.argv[1])
    looking = asyncio.create_task(server.look())
    while line := await reader.readline():
        server.take(line)
    looking.cancel()
    # threads of the SDK would hold the process while the provider does not answer
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
