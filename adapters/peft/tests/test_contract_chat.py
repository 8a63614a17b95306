"""Chat requests that the shared suite does not send, and clients that go away."""

import asyncio
import json
from typing import Any

import pytest

from conftest import HEADERS, Engine, Start, until
from contract.chat_request import parse_chat_request
from contract.deps import Limits
from contract.errors import EngineError
from contract.validation import parse_json
from memory_backend import BASE, Faults

MESSAGES = [{"role": "user", "content": "one two three"}]
BODY: dict[str, Any] = {"model": BASE, "messages": MESSAGES}
PATH = "/v1/chat/completions"
CALLS: dict[str, Any] = {
    "functions": [{"name": "weather", "parameters": {"type": "object"}}, {"name": "time"}],
    "required": False,
    "parallel": True,
}


def events_of(text: str) -> list[str]:
    return [event.removeprefix("data: ") for event in text.split("\n\n") if event]


async def test_refuses_more_completions_than_configured_and_serves_again(start: Start) -> None:
    engine = await start(Faults(token_seconds=0.02), limits=Limits(max_completions=1))
    both = await asyncio.gather(*(engine.client.post(PATH, json=BODY) for _ in range(2)))
    assert sorted(response.status_code for response in both) == [200, 503]
    refused = next(response for response in both if response.status_code == 503)
    assert refused.json()["error"]["code"] == "overloaded"
    assert (await engine.client.post(PATH, json=BODY)).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_an_error_before_the_first_token_with_its_status(
    start: Start, stream: bool
) -> None:
    engine = await start(Faults(die_after_tokens=0))
    response = await engine.client.post(PATH, json={**BODY, "stream": stream})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "dies after 0 tokens, as told" in engine.logged


async def test_ends_a_stream_that_fails_later_with_an_error_and_without_done(start: Start) -> None:
    engine = await start(Faults(die_after_tokens=2))
    response = await engine.client.post(PATH, json={**BODY, "stream": True})
    assert response.status_code == 200
    last = events_of(response.text)[-1]
    assert json.loads(last)["error"]["message"] == "dies after 2 tokens, as told"
    assert "[DONE]" not in response.text
    assert "generation failed after its first token" in engine.logged


async def test_streams_what_it_answers_at_once(start: Start) -> None:
    engine = await start()
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {**BODY, "stream": True, "stream_options": options}
    response = await engine.client.post(PATH, json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    whole = (await engine.client.post(PATH, json=BODY)).json()
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]]
    assert "".join(texts) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole["usage"]
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts == [0, 1, 2, 3, 4, 5, 5, 5]
    assert {chunk["system_fingerprint"] for chunk in chunks} == {"memory-1"}
    plain = await engine.client.post(PATH, json={**BODY, "stream": True})
    assert all("usage" not in event for event in events_of(plain.text))


class Client:
    """A client of the bare app that goes away when told to."""

    def __init__(self, engine: Engine, body: dict[str, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.leave = asyncio.Event()
        self._body = json.dumps(body).encode()
        self._has_sent_body = False
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "headers": headers,
        }
        self.answer = asyncio.create_task(engine.host.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._has_sent_body:
            self._has_sent_body = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


@pytest.mark.parametrize("stream", [False, True])
async def test_stops_the_generation_of_a_client_that_goes_away(start: Start, stream: bool) -> None:
    engine = await start(Faults(token_seconds=60), limits=Limits(max_completions=1))
    client = Client(engine, {**BODY, "stream": stream})

    async def running() -> int:
        return engine.backend.running

    await until(running, lambda count: count == 1)
    client.leave.set()
    await asyncio.wait_for(client.answer, 5)
    assert engine.backend.running == 0
    engine.backend.faults.token_seconds = 0
    assert (await engine.client.post(PATH, json=BODY)).status_code == 200


async def test_stops_a_stream_whose_client_goes_away_in_its_middle(start: Start) -> None:
    engine = await start()
    content = "word " * 500
    messages = [{"role": "user", "content": content}]
    engine.backend.faults.token_seconds = 0.005
    client = Client(engine, {"model": BASE, "messages": messages, "stream": True})

    async def sent() -> int:
        return len(client.sent)

    await until(sent, lambda count: count > 4)
    client.leave.set()
    await asyncio.wait_for(client.answer, 5)
    assert engine.backend.running == 0
    assert b"[DONE]" not in b"".join(message.get("body", b"") for message in client.sent)


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"n": True}, "n"),
        ({"messages": "text"}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "a", "name": "b"}]}, "messages.0.name"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 1.5}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": {}}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"response_format": {"type": "json_schema"}}, "response_format.type"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs.choice"),
        ({"structured_outputs": {"choice": ["a"] * 1025}}, "structured_outputs.choice"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs.regex"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"choice": ["a"], "calls": CALLS}}, "structured_outputs"),
        (
            {"structured_outputs": {"calls": {**CALLS, "functions": [{"name": "a b"}]}}},
            "structured_outputs.calls.functions.0.name",
        ),
        (
            {"structured_outputs": {"choice": ["a"]}, "response_format": {"type": "json_object"}},
            "structured_outputs",
        ),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"magic": None}, "magic"),
    ],
)
def test_names_the_parameter_at_fault(extra: dict[str, Any], param: str) -> None:
    with pytest.raises(EngineError) as caught:
        parse_chat_request({**BODY, **extra})
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)
    assert param in caught.value.message


def test_puts_a_request_into_one_spelling() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    neutral = {
        **dict.fromkeys(["user", "store", "top_p", "seed", "stream", "stop", "tools"]),
        **{"n": 1, "frequency_penalty": 0.0, "presence_penalty": 0, "logit_bias": {}},
        **{"tool_choice": "auto", "modalities": ["text"], "response_format": {"type": "text"}},
    }
    messages = [{"role": "developer", "content": parts}]
    limits = {"max_tokens": 5, "max_completion_tokens": 7}
    parsed = parse_chat_request({"model": "m", "messages": messages, **neutral, **limits})
    request = parsed.request
    assert [(one.role, one.content) for one in request.messages] == [("system", "ab")]
    assert (request.max_tokens, request.temperature, request.top_p) == (7, 0, 1)
    assert (request.seed, request.stop, request.choice) == (None, [], None)
    assert (request.logprobs, request.top_logprobs, request.json_object) == (False, 0, False)
    assert (request.cache_prompt, parsed.stream, parsed.usage) == (True, False, "none")
    assert parse_chat_request({**BODY, "stop": "x"}).request.stop == ["x"]
    bound = {**BODY, "structured_outputs": {"calls": CALLS}}
    assert parse_chat_request(bound).request.choice is None
    assert parse_chat_request({**BODY, "cache_prompt": False}).request.cache_prompt is False


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[NaN]", b"\xff", b"[" * 100_000, b"9" * 5000, b"\xef\xbb\xbf{}"]
)
def test_refuses_what_is_not_json(body: bytes) -> None:
    with pytest.raises(EngineError, match="not JSON"):
        parse_json(body)


def test_replaces_half_of_a_surrogate_pair() -> None:
    assert parse_json(rb'{"a": ["\ud83d", "\ud83d\ude00"]}') == {"a": ["\ufffd", "😀"]}


async def test_refuses_a_tokenize_request_with_both_or_neither(start: Start) -> None:
    engine = await start()
    for extra in ({}, {"prompt": "a", "messages": MESSAGES}, {"messages": []}, {"prompt": None}):
        response = await engine.client.post("/v1/tokenize", json={"model": BASE, **extra})
        assert response.status_code == 400
    response = await engine.client.post("/v1/tokenize", json={"model": BASE, "prompt": ""})
    assert response.json() == {"count": 0, "max_model_len": 2048}


def test_reads_a_whole_number_however_it_is_written() -> None:
    for written in ("5", "5.0", "0.5e1"):
        body = (
            f'{{"model": "m", "messages": [{{"role": "user", "content": "a"}}], "seed": {written}}}'
        )
        assert parse_chat_request(parse_json(body.encode())).request.seed == 5
    assert parse_json(b"[0.5, 1e400, 1e300]") == [0.5, float("inf"), 1e300]
    half = {**BODY, "max_tokens": 5.5}
    with pytest.raises(EngineError, match="max_tokens"):
        parse_chat_request(parse_json(json.dumps(half).encode()))
