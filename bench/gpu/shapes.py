"""
Models with random weights in a published model's shape, as Hugging Face folders: speed does not
depend on what the weights say. The tokenizer has as many tokens as the shape, one a letter where
text is read; all tokens are text, so that what such a model says arrives piece by piece.

    python -m gpu.shapes <shape> <folder> <device> <dtype>
"""

from __future__ import annotations

import itertools
import json
import string
import sys
from pathlib import Path

from engine.text_tokenizer import byte_characters

#: `config.json` of Qwen/Qwen3-0.6B, -4B and -8B
SHAPES = {
    "qwen3-0.6b": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "qwen3-4b": {
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "qwen3-8b": {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": False,
    },
    # nobody's: for trying the script out
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 4096,
        "tie_word_embeddings": True,
    },
}
#: the same in all sizes
COMMON = {
    "hidden_act": "silu",
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "attention_bias": False,
    "use_sliding_window": False,
}
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END_OF_TEXT, END_OF_TURN = CONTROL[0], CONTROL[2]
LETTERS = string.ascii_letters + string.digits
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_random_model(folder: Path, shape: str, *, device: str, dtype: str, seed: int = 1) -> None:
    """Weights are made on the device. A folder that is complete is left as it is."""
    last = folder / "tokenizer_config.json"
    if last.exists():
        return
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    config = Qwen3Config(
        **COMMON, **SHAPES[shape], dtype=dtype, eos_token_id=CONTROL.index(END_OF_TURN)
    )
    torch.manual_seed(seed)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size="4GB")
    _write(folder / "tokenizer.json", tokenizer_json(SHAPES[shape]["vocab_size"]))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TURN,
        "pad_token": END_OF_TEXT,
        "chat_template": TEMPLATE,
    }
    _write(last, settings)


def _write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value), "utf-8")


def tokenizer_json(tokens: int) -> dict:
    """A byte-pair vocabulary without merges: letters, and groups of letters that only decode."""
    groups = ("".join(group) for n in (2, 3) for group in itertools.product(LETTERS, repeat=n))
    names = itertools.chain(CONTROL, byte_characters(), groups)
    vocabulary = {name: number for number, name in enumerate(itertools.islice(names, tokens))}
    level = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": content, "special": True, **added}
            for number, content in enumerate(CONTROL)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", **level},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", **level},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }


if __name__ == "__main__":
    write_random_model(Path(sys.argv[2]), sys.argv[1], device=sys.argv[3], dtype=sys.argv[4])
