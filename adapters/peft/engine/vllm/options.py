"""How vLLM is started and shares the GPU: environment → options → command line. Pure."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from contract.errors import EngineError
from engine.base_model import BaseModel
from engine.model_config import LINEAR_LAYERS

#: Tokens of one step. vLLM computes the log-probabilities of a whole prompt at once, in bfloat16
#: and float32, and does not count on it when it takes its share of the memory (pull request 52054):
#: at its default of 8,192 and Qwen3's 151,936 tokens that is 8192 · 151,936 · 6 bytes = 7.5 GB.
#: 2,048 take 1.9 GB, for which a tenth of 24 GB has room. They keep an H100 busy, which computes as
#: long as it reads weights at 296 tokens.
MAX_BATCHED_TOKENS = 2048
#: ranks that vLLM reserves memory for
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
#: vLLM in this process's environment
OWN_COMMAND = (sys.executable, "-m", "vllm.entrypoints.cli.main", "serve")
SERVERS = ("vllm", "transformers")

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class VllmOptions:
    #: what comes before the model and the arguments that the engine sets
    command: tuple[str, ...] = OWN_COMMAND
    #: after them: whatever else `vllm serve` takes
    arguments: tuple[str, ...] = ()
    #: `pause`: vLLM sleeps while a job trains; `split`: each has its share of the memory
    sharing: Literal["pause", "split"] = "pause"
    #: of the GPU's memory; None is the default of the way of sharing
    memory_share: float | None = None
    #: loras in host memory, ready to serve
    max_loras: int = 32
    #: of them in GPU memory, and so in one batch
    max_batch_loras: int = 8
    #: The worker's jobs have 16 or 32. vLLM reserves it for every lora of a batch and computes with
    #: it: for Llama 3.1 8B, 32 layers of 81,920 in- and outputs, 168 MB each with 32, 336 with 64
    max_lora_rank: int = 32
    #: Prompt and answer. vLLM does not start where not one request of this length fits: a token of
    #: Qwen3 8B takes 2 · 36 layers · 8 heads · 128 · 2 bytes = 147 kB, 16,384 take 2.4 GB beside
    #: weights of 16.4 GB on 24 GB, and the model's own 40,960 would take 6.0
    max_model_len: int = 16_384
    #: from the start of the process until it must answer
    start_seconds: float = 900
    #: what requests under way get when training needs the GPU
    drain_seconds: float = 30
    #: of the process and whatever it starts
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_lora_rank not in RANKS:
            raise EngineError(
                "invalid_config",
                f"ENGINE_VLLM_MAX_LORA_RANK is {self.max_lora_rank}; vLLM knows {RANKS}",
            )
        if not 1 <= self.max_batch_loras <= self.max_loras:
            raise EngineError(
                "invalid_config",
                f"ENGINE_VLLM_MAX_BATCH_LORAS is {self.max_batch_loras}; it must be from 1 to "
                f"ENGINE_VLLM_MAX_LORAS, {self.max_loras}",
            )
        if not 0 < self.serving_share <= 1:
            raise EngineError(
                "invalid_config", f"ENGINE_VLLM_MEMORY is {self.memory_share}; it must be in (0, 1]"
            )

    @property
    def serving_share(self) -> float:
        """Of the GPU's memory that vLLM takes while it is awake."""
        if self.memory_share is not None:
            return self.memory_share
        return 0.45 if self.sharing == "split" else 0.9

    @property
    def training_share(self) -> float:
        """What is left to training; a twentieth is for what neither counts."""
        return 1.0 if self.sharing == "pause" else max(0.05, 0.95 - self.serving_share)


def vllm_options(environ: Mapping[str, str], *, on_gpu: bool) -> VllmOptions | None:
    """
    None where transformers serves: by ENGINE_SERVING, or because the engine is on no GPU or there
    is no vLLM.

    Raises EngineError `invalid_config`.
    """
    command = tuple(shlex.split(environ.get("ENGINE_VLLM_COMMAND", "")))
    has_vllm = bool(command) or importlib.util.find_spec("vllm") is not None
    default = "vllm" if on_gpu and has_vllm else "transformers"
    if _one_of(environ, "ENGINE_SERVING", SERVERS, default) == "transformers":
        return None
    if not has_vllm:
        raise EngineError(
            "invalid_config",
            "ENGINE_SERVING is vllm, but vLLM is not installed; install the group vllm, or name "
            "the command of another environment in ENGINE_VLLM_COMMAND",
        )
    given: dict[str, Any] = {
        "memory_share": _number(environ, "ENGINE_VLLM_MEMORY", float),
        "max_loras": _number(environ, "ENGINE_VLLM_MAX_LORAS", int),
        "max_batch_loras": _number(environ, "ENGINE_VLLM_MAX_BATCH_LORAS", int),
        "max_lora_rank": _number(environ, "ENGINE_VLLM_MAX_LORA_RANK", int),
        "max_model_len": _number(environ, "ENGINE_VLLM_MAX_MODEL_LEN", int),
        "start_seconds": _number(environ, "ENGINE_VLLM_START_SECONDS", float),
    }
    return VllmOptions(
        command=command or OWN_COMMAND,
        arguments=tuple(shlex.split(environ.get("ENGINE_VLLM_ARGS", ""))),
        sharing=_one_of(environ, "ENGINE_GPU_SHARING", ("pause", "split"), "pause"),
        environment={name: value for name, value in environ.items() if name != "ENGINE_TOKEN"},
        **{name: value for name, value in given.items() if value is not None},
    )


def serve_command(options: VllmOptions, base: BaseModel, dtype: str, socket: Path) -> list[str]:
    """Names as `vllm serve` of version 0.33 has them."""
    sleeps = ["--enable-sleep-mode"] if options.sharing == "pause" else []
    return [
        *options.command,
        str(base.folder.resolve()),
        *("--served-model-name", base.name),
        *("--uds", str(socket)),
        *("--dtype", dtype),
        *("--max-model-len", str(base.config.max_positions)),
        *("--max-num-batched-tokens", str(MAX_BATCHED_TOKENS)),
        # sampling is what the request says, not what the model's folder recommends
        *("--generation-config", "vllm"),
        "--enable-prefix-caching",
        "--enable-lora",
        *("--max-loras", str(options.max_batch_loras)),
        *("--max-cpu-loras", str(options.max_loras)),
        *("--max-lora-rank", str(options.max_lora_rank)),
        # not the output layer, whose rows vLLM 0.32 mistakes when it scores prompts
        *("--lora-target-modules", *(linear.split(".")[1] for linear in LINEAR_LAYERS)),
        *("--gpu-memory-utilization", str(options.serving_share)),
        *sleeps,
        "--disable-uvicorn-access-log",
        *options.arguments,
    ]


def limited(base: BaseModel, options: VllmOptions) -> BaseModel:
    """The base model with no longer context than vLLM serves: longer rows would train in vain."""
    positions = min(base.config.max_positions, options.max_model_len)
    return replace(base, config=replace(base.config, max_positions=positions))


def serve_environment(options: VllmOptions, api_key: str, device: str) -> dict[str, str]:
    """
    The key is no argument, because those are everybody's to read. vLLM has no argument for one GPU
    of several: `cuda:N` is the N-th of those that this process sees, and the only one that it sees.
    """
    sleeps = {"VLLM_SERVER_DEV_MODE": "1"} if options.sharing == "pause" else {}
    index = device.partition(":")[2]
    seen = options.environment.get("CUDA_VISIBLE_DEVICES")
    gpu = seen.split(",")[int(index)] if index and seen else index
    return {
        # the model is a folder; nothing is fetched and nothing reported
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        **options.environment,
        **({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}),
        "PYTHONUNBUFFERED": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_API_KEY": api_key,
        **sleeps,
    }


def _one_of(environ: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> Any:
    value = environ.get(name) or default
    if value not in allowed:
        raise EngineError("invalid_config", f"{name} is {value}; it may be {' or '.join(allowed)}")
    return value


def _number(environ: Mapping[str, str], name: str, kind: type[Number]) -> Number | None:
    text = environ.get(name)
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError as error:
        raise EngineError("invalid_config", f"{name} is no number: {text}") from error
    if value <= 0:
        raise EngineError("invalid_config", f"{name} must be over 0, not {text}")
    return value
