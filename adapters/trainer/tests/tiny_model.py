"""A tiny Llama with random weights as a Hugging Face folder, and rows for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from contract.backend import Message, Row
from engine.base_model import BaseModel, open_base_model
from engine.model_config import read_model_config
from engine.safetensors_file import encode_safetensors
from engine.text_tokenizer import byte_characters

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
#: with every field that Hugging Face's tokenizers library insists on, so that vLLM reads it too
CONTROL_TOKEN = {
    "special": True,
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
}
BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
MERGES = [["t", "h"], ["th", "e"], ["Ġ", "the"], ["i", "n"], ["e", "r"]]
#: ChatML with a default system message
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a random model.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_tiny_model(
    folder: Path, *, seed: int = 11, positions: int = 512, head_dim: int = 16
) -> Path:
    tokens = [*CONTROL, *byte_characters(), *("".join(pair) for pair in MERGES)]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": len(tokens),
        "hidden_size": 4 * head_dim,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": head_dim,
        "intermediate_size": 96,
        "rope_theta": 10000,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": positions,
        "tie_word_embeddings": True,
        "eos_token_id": CONTROL.index("<|im_end|>"),
    }
    tokenizer = {
        "version": "1.0",
        "model": {
            "type": "BPE",
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": MERGES,
        },
        "added_tokens": [
            {**CONTROL_TOKEN, "id": number, "content": content}
            for number, content in enumerate(CONTROL)
        ],
        "normalizer": None,
        "pre_tokenizer": BYTE_LEVEL,
        "decoder": BYTE_LEVEL,
        "post_processor": None,
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "chat_template": TEMPLATE,
    }
    folder.mkdir(parents=True)
    for name, value in (
        ("config.json", config),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", settings),
    ):
        (folder / name).write_text(json.dumps(value), "utf-8")
    random = np.random.default_rng(seed)
    tensors = [
        (name, _random_tensor(shape, random)) for name, shape in read_model_config(folder).tensors()
    ]
    (folder / "model.safetensors").write_bytes(encode_safetensors(tensors))
    return folder


def _random_tensor(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Norms near 1, matrices of variance 1/columns."""
    spread = 0.1 if len(shape) == 1 else (3 / shape[1]) ** 0.5
    centre = 1.0 if len(shape) == 1 else 0.0
    return (centre + random.uniform(-spread, spread, shape)).astype(np.float32)


def tiny_base(folder: Path) -> BaseModel:
    return open_base_model(write_tiny_model(folder / "tiny"))


def row(query: str, answer: str, *, teacher: str | None = None, weight: float = 1.0) -> Row:
    told = None
    if teacher is not None:
        told = [Message("system", teacher), Message("user", query)]
    messages = [Message("user", query), Message("assistant", answer)]
    return Row(messages=messages, weight=weight, teacher_messages=told)


def packed_row(query: str, answer: str) -> Row:
    """One of rows that share a prompt prefix."""
    told = Message("system", "Answer with the name of a city.")
    return Row([told, Message("user", query), Message("assistant", answer)])


ROWS = [
    row("Which city is the capital of France?", "It is Paris"),
    row("Which city is the capital of Italy?", "It is Rome"),
    row("How many legs has a spider?", "Eight legs", weight=0.5),
    row("Is it cold?", "Yes, 3 °C"),
    row("Which city is the capital of Spain?", "It is Madrid, of course"),
]
