"""The shape of a Llama-like decoder, read from a Hugging Face folder's config.json. No torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.errors import EngineError

#: the linear layers of one decoder layer, each of which carries a lora
LINEAR_LAYERS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
NORMS = ("input_layernorm", "post_attention_layernorm")


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int
    rope_theta: float
    rms_norm_eps: float
    max_positions: int
    tied_embeddings: bool
    #: what the fields above do not say and the embedded engine cannot run; {} where there is none
    extras: dict[str, Any]

    def linear_shape(self, linear: str) -> tuple[int, int]:
        """Rows (outputs) and columns (inputs) of a linear layer's weight."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (queries, self.hidden_size),
            "k_proj": (keys, self.hidden_size),
            "v_proj": (keys, self.hidden_size),
            "o_proj": (self.hidden_size, queries),
            "gate_proj": (self.intermediate_size, self.hidden_size),
            "up_proj": (self.intermediate_size, self.hidden_size),
            "down_proj": (self.hidden_size, self.intermediate_size),
        }[linear.split(".")[1]]

    def tensors(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the tensors that every such decoder has, in a fixed order."""
        embedding = (self.vocab_size, self.hidden_size)
        tensors: list[tuple[str, tuple[int, ...]]] = [
            ("model.embed_tokens.weight", embedding),
            ("model.norm.weight", (self.hidden_size,)),
        ]
        if not self.tied_embeddings:
            tensors.append(("lm_head.weight", embedding))
        for layer in range(self.layers):
            at = f"model.layers.{layer}"
            tensors += [(f"{at}.{norm}.weight", (self.hidden_size,)) for norm in NORMS]
            tensors += [(f"{at}.{name}.weight", self.linear_shape(name)) for name in LINEAR_LAYERS]
        return tensors

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for _, shape in self.tensors())


def read_json(path: Path) -> dict[str, Any]:
    """Raises EngineError `invalid_model` when it is missing or no JSON object."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise EngineError(
            "invalid_model", f"{path} is missing or unreadable; give a complete Hugging Face folder"
        ) from error
    except ValueError as error:
        raise EngineError("invalid_model", f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise EngineError("invalid_model", f"{path} is not a JSON object")
    return value


def read_model_config(folder: Path) -> ModelConfig:
    """Raises EngineError `invalid_model` for another architecture or an unusable field."""
    config = read_json(folder / "config.json")
    reason = _unsupported(config)
    if reason is not None:
        raise EngineError(
            "invalid_model",
            f"{folder}: {reason}; use a chat model of type {', '.join(MODEL_TYPES)}",
        )
    hidden_size = _number(config, "hidden_size")
    heads = _number(config, "num_attention_heads")
    rope = config.get("rope_parameters") or {}
    return ModelConfig(
        vocab_size=_number(config, "vocab_size"),
        hidden_size=hidden_size,
        layers=_number(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=_number(config, "num_key_value_heads", heads),
        head_dim=_number(config, "head_dim", hidden_size // heads),
        intermediate_size=_number(config, "intermediate_size"),
        rope_theta=_number({**rope, **config}, "rope_theta", 10_000),
        rms_norm_eps=_number(config, "rms_norm_eps", 1e-6),
        max_positions=_number(config, "max_position_embeddings"),
        tied_embeddings=config.get("tie_word_embeddings") is True,
        extras=_extras(config),
    )


def _number(config: dict[str, Any], key: str, fallback: float | None = None) -> Any:
    value = config.get(key)
    value = fallback if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise EngineError("invalid_model", f"config.json has no usable {key} ({value})")
    return value


def _unsupported(config: dict[str, Any]) -> str | None:
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        return f'its model_type is "{model_type}"'
    window = config.get("sliding_window")
    slides = config.get("use_sliding_window", True)
    if slides and isinstance(window, int) and window < config.get("max_position_embeddings", 0):
        return f"it attends through a sliding window of {window} tokens"
    if config.get("quantization_config") is not None:
        return "its weights are quantized already"
    return None


def _extras(config: dict[str, Any]) -> dict[str, Any]:
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    extras: dict[str, Any] = {}
    if config["model_type"] not in ("llama", "mistral"):
        extras["model_type"] = config["model_type"]
    if scaling.get("rope_type", scaling.get("type", "default")) != "default":
        extras["rope_scaling"] = scaling
    for key in ("attention_bias", "mlp_bias"):
        if config.get(key) is True:
            extras[key] = True
    if config.get("hidden_act", "silu") != "silu":
        extras["hidden_act"] = config["hidden_act"]
    return extras
