"""
SkyRL's server of the Tinker API on the CPU: `python server.py PORT MODEL_FOLDER DATA_FOLDER`.

SkyRL 0.3.0 speaks JSON alone, and the SDK protocol buffers: requests and answers are
translated by the SDK's own messages. It starts its engine by `uv run`, which would install it anew:
here it is this Python's. On Python 3.11 pydantic takes no TypedDict of `typing`, which SkyRL uses.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import typing
from pathlib import Path
from typing import Any

import typing_extensions

typing.TypedDict = typing_extensions.TypedDict
os.environ.setdefault("JAX_PLATFORMS", "cpu")

if sys.argv[1] == "engine":
    del sys.argv[1]
    runpy.run_module("skyrl.tinker.engine", run_name="__main__", alter_sys=True)
    sys.exit()

import numpy as np  # noqa: E402
import uvicorn  # noqa: E402
from skyrl.tinker import api  # noqa: E402
from skyrl.tinker.config import EngineConfig, config_to_argv  # noqa: E402
from tinker.proto import tinker_public_pb2 as pb  # noqa: E402

PROTO = b"application/x-protobuf"
REASONS = {"stop": pb.STOP_REASON_STOP, "length": pb.STOP_REASON_LENGTH}


def numbers(tensor: Any) -> list[Any]:
    kind = np.int64 if tensor.dtype == pb.DTYPE_INT64 else np.float32
    return np.frombuffer(tensor.dense, kind).tolist()


def training_request(body: bytes) -> tuple[str, bytes]:
    """The path and the JSON of a training step."""
    message = pb.ForwardBackwardRequest.FromString(body)
    data = [
        {
            "model_input": {
                "chunks": [
                    {"tokens": np.frombuffer(chunk.encoded_text.tokens, np.int32).tolist()}
                    for chunk in datum.model_input
                ]
            },
            "loss_fn_inputs": {
                name: {"data": numbers(tensor)} for name, tensor in datum.loss_fn_inputs.items()
            },
        }
        for datum in message.data
    ]
    kind = "forward" if message.forward_only else "forward_backward"
    content = {"data": data, "loss_fn": message.loss_fn}
    request = {"model_id": message.model_id, f"{kind}_input": content}
    return f"/api/v1/{kind}", json.dumps(request).encode()


def floats(values: list[float | None]) -> bytes:
    return np.array([np.nan if one is None else one for one in values], np.float32).tobytes()


def answer_message(answer: dict[str, Any]) -> Any:
    """The protocol buffer of an answer; None where the SDK reads JSON."""
    if "sequences" in answer:
        message = pb.SampleResponse()
        for one in answer["sequences"]:
            sequence = message.sequences.add()
            sequence.stop_reason = REASONS[one["stop_reason"]]
            sequence.tokens = np.array(one["tokens"], np.int32).tobytes()
            sequence.logprobs = floats(one["logprobs"])
        scores = answer.get("prompt_logprobs")
        if scores:
            # SkyRL leaves out the first token, which has none
            message.prompt_logprobs = floats([None, *scores])
        return message
    if "loss_fn_outputs" in answer:
        message = pb.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord")
        record = message.loss_fn_outputs.add()
        outputs = [one["logprobs"]["data"] for one in answer["loss_fn_outputs"]]
        record.num_datums = len(outputs)
        field = record.fields["logprobs"]
        field.dtype = pb.DTYPE_FLOAT32
        field.data = b"".join(floats(one) for one in outputs)
        ends = np.cumsum([0, *(4 * len(one) for one in outputs)])
        field.offsets = ends.astype(np.int64).tobytes()
        return message
    return None


class Translate:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        headers = dict(scope["headers"])
        if headers.get(b"content-type") == PROTO:
            path, body = training_request(body)
            scope = {**scope, "path": path, "raw_path": path.encode()}
            headers[b"content-type"] = b"application/json"
        headers[b"content-length"] = str(len(body)).encode()
        scope = {**scope, "headers": list(headers.items())}
        sent: list[Any] = []

        async def once() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(part: Any) -> None:
            sent.append(part)

        await self.app(scope, once, keep)
        content = b"".join(part.get("body", b"") for part in sent)
        content, kind = translated(scope["path"], sent[0]["status"], content)
        answer = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        await send({**sent[0], "headers": answer})
        await send({"type": "http.response.body", "body": content})


def translated(path: str, status: int, content: bytes) -> tuple[bytes, bytes]:
    if status == 200 and path.endswith("/retrieve_future"):
        answer = json.loads(content)
        message = answer_message(answer)
        if message is not None:
            return message.SerializeToString(), PROTO
        # weights of a sampler have a path without their kind, which the SDK does not read
        run, *kind, name = str(answer.get("path", "tinker://a/b/c"))[9:].split("/")
        if not kind:
            answer["path"] = f"tinker://{run}/sampler_weights/{name}"
        content = json.dumps(answer).encode()
    if status == 200 and path.endswith("/asample"):
        content = json.dumps({**json.loads(content), "sample_sequence_ids": ["0"]}).encode()
    return content, b"application/json"


def engine_command(_: list[str], config: EngineConfig) -> list[str]:
    return [sys.executable, __file__, "engine", *config_to_argv(config)]


if __name__ == "__main__":
    port, model, data = sys.argv[1:]
    api._build_uv_run_cmd_engine = engine_command
    api.app.add_middleware(Translate)
    api.app.state.engine_config = EngineConfig(
        base_model=model,
        backend="jax",
        backend_config={"max_lora_adapters": 12, "max_lora_rank": 8},
        checkpoints_base=str(Path(data) / "checkpoints"),
        database_url=f"sqlite:///{Path(data) / 'tinker.db'}",
    )
    uvicorn.run(api.app, host="127.0.0.1", port=int(port), log_level="warning")
