"""
What the stand-in computes: a language model of hashed contexts. The next token's logits are a fixed
row for the last tokens, and of a lora one row for each of some longer contexts, learned by AdamW.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 512
#: tokens of the contexts that a lora knows; 0 is all of them
CONTEXTS = (1, 2, 3, 6, 0)
SCALE = 4.0
LINEARS = {
    "self_attn.q_proj": ("heads", "hidden"),
    "self_attn.k_proj": ("kv", "hidden"),
    "self_attn.v_proj": ("kv", "hidden"),
    "self_attn.o_proj": ("hidden", "heads"),
    "mlp.gate_proj": ("inner", "hidden"),
    "mlp.up_proj": ("inner", "hidden"),
    "mlp.down_proj": ("hidden", "inner"),
}

CONFIG = json.loads((Path(os.environ["FAKE_TINKER_MODEL"]) / "config.json").read_text())
VOCABULARY = CONFIG["vocab_size"]
BASE = 1.5 * np.random.default_rng(7).standard_normal((ROWS, VOCABULARY)).astype(np.float32)


def row_of(ids: list[int], salt: int) -> int:
    value = 2166136261 + salt
    for token in ids:
        value = ((value ^ token) * 16777619) % 2**32
    return value % ROWS


def contexts(ids: list[int]) -> list[tuple[int, list[int]]]:
    """For what follows each token: the base's row and the lora's."""
    return [
        (
            row_of(ids[max(0, end - 2) : end], 1),
            [
                row_of(ids[max(0, end - length) if length else 0 : end], length)
                for length in CONTEXTS
            ],
        )
        for end in range(1, len(ids) + 1)
    ]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


@dataclass
class State:
    weights: np.ndarray
    gradient: np.ndarray
    m: np.ndarray
    v: np.ndarray
    steps: int
    rank: int

    @classmethod
    def new(cls, rank: int = 1) -> State:
        zero = np.zeros((ROWS, VOCABULARY), dtype=np.float32)
        return cls(zero.copy(), zero.copy(), zero.copy(), zero.copy(), 0, rank)

    @classmethod
    def load(cls, file: Path) -> State:
        kept = np.load(file)
        zero = np.zeros_like(kept["weights"])
        steps, rank = int(kept["steps"]), int(kept["rank"])
        return cls(kept["weights"], zero.copy(), kept["m"], kept["v"], steps, rank)

    def without_optimizer(self) -> State:
        zero = np.zeros_like(self.m)
        return replace(self, m=zero.copy(), v=zero.copy(), steps=0)

    def save(self, file: Path, with_optimizer: bool) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = self if with_optimizer else self.without_optimizer()
        draft = file.with_suffix(".draft.npz")
        parts = {"weights": kept.weights, "m": kept.m, "v": kept.v}
        np.savez(draft, **parts, steps=kept.steps, rank=kept.rank)
        draft.rename(file)

    def _logits(self, context: tuple[int, list[int]]) -> np.ndarray:
        base, own = context
        return BASE[base] + SCALE * self.weights[own].sum(0)

    def learn(
        self, ids: list[int], targets: np.ndarray, weights: np.ndarray, learns: bool
    ) -> np.ndarray:
        """Log-probabilities of the targets; their gradient is added where it learns."""
        targets = np.asarray(targets)
        nats = np.zeros(targets.shape, dtype=np.float32)
        for place, context in enumerate(contexts(ids)):
            values = log_softmax(self._logits(context))
            nats[place] = values[targets[place]]
            weight = np.atleast_1d(weights[place])
            if not learns or not weight.any():
                continue
            slope = np.exp(values) * weight.sum()
            np.subtract.at(slope, np.atleast_1d(targets[place]), weight)
            np.add.at(self.gradient, context[1], SCALE * slope)
        return nats

    def step(self, parameters: Any) -> None:
        norm = float(np.linalg.norm(self.gradient))
        clip = parameters.grad_clip_norm
        gradient = self.gradient * (clip / norm if clip and norm > clip else 1.0)
        self.steps += 1
        self.m = parameters.beta1 * self.m + (1 - parameters.beta1) * gradient
        self.v = parameters.beta2 * self.v + (1 - parameters.beta2) * gradient**2
        first = self.m / (1 - parameters.beta1**self.steps)
        second = self.v / (1 - parameters.beta2**self.steps)
        rate = parameters.learning_rate
        decayed = self.weights * (1 - rate * parameters.weight_decay)
        self.weights = decayed - rate * first / (np.sqrt(second) + parameters.eps)
        self.gradient[:] = 0

    def prompt_nats(self, ids: list[int]) -> list[float | None]:
        following = zip(contexts(ids), ids[1:], strict=False)
        return [None, *(float(log_softmax(self._logits(at))[token]) for at, token in following)]

    def prompt_top(self, ids: list[int], count: int) -> list[list[tuple[int, float]] | None]:
        return [None, *(top(log_softmax(self._logits(at)), count) for at in contexts(ids)[:-1])]

    def sample(self, prompt: list[int], parameters: Any, count: int) -> Any:
        random = np.random.default_rng(parameters.seed)
        ids, tokens, nats, named = list(prompt), [], [], []
        while len(tokens) < parameters.max_tokens:
            values = log_softmax(self._logits(contexts(ids)[-1]))
            token = draw(values, parameters, random)
            ids.append(token)
            tokens.append(token)
            nats.append(float(values[token]))
            named.append(top(values, count))
            if token in (parameters.stop or []):
                return tokens, nats, named if count else None, "stop"
        return tokens, nats, named if count else None, "length"

    def export(self, folder: Path) -> None:
        """A lora of the right shapes for the model, in bfloat16; other weights make another one."""
        digest = hashlib.sha256(self.weights.tobytes()).digest()
        random = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        heads, width = CONFIG["num_attention_heads"], CONFIG["head_dim"]
        sizes = {
            "hidden": CONFIG["hidden_size"],
            "inner": CONFIG["intermediate_size"],
            "heads": heads * width,
            "kv": CONFIG["num_key_value_heads"] * width,
        }
        header: dict[str, Any] = {}
        body = b""
        for layer in range(CONFIG["num_hidden_layers"]):
            for linear, (outer, inner) in LINEARS.items():
                for matrix, shape in (
                    ("A", (self.rank, sizes[inner])),
                    ("B", (sizes[outer], self.rank)),
                ):
                    values = random.standard_normal(shape).astype("<f4").view("<u4") >> 16
                    data = values.astype("<u2").tobytes()
                    header[
                        f"base_model.model.model.layers.{layer}.{linear}.lora_{matrix}.weight"
                    ] = {
                        "dtype": "BF16",
                        "shape": list(shape),
                        "data_offsets": [len(body), len(body) + len(data)],
                    }
                    body += data
        text = json.dumps(header).encode()
        file = len(text).to_bytes(8, "little") + text + body
        (folder / "adapter_model.safetensors").write_bytes(file)
        (folder / "adapter_config.json").write_text(json.dumps({"r": self.rank, "lora_alpha": 32}))


def top(values: np.ndarray, count: int) -> list[tuple[int, float]]:
    return [(int(token), float(values[token])) for token in np.argsort(-values)[:count]]


def draw(values: np.ndarray, parameters: Any, random: np.random.Generator) -> int:
    if parameters.temperature == 0:
        return int(values.argmax())
    shares = np.exp(log_softmax(values / parameters.temperature))
    order = np.argsort(-shares)
    kept = order[: int(np.searchsorted(np.cumsum(shares[order]), parameters.top_p)) + 1]
    return int(random.choice(kept, p=shares[kept] / shares[kept].sum()))
