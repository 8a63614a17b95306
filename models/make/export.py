"""
Writes a pretrained checkpoint as a Hugging Face folder, weights in float16:

    python models/make/export.py --run run --out models/tiny
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from model import Llama, Shape
from tokenizer import END, PAD

parser = argparse.ArgumentParser()
parser.add_argument("--run", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

weights = torch.load(args.run / "checkpoint.pt")["model"]
vocab, hidden = weights["embed_tokens.weight"].shape
layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))
shape = Shape(
    vocab=vocab,
    hidden=hidden,
    layers=layers,
    intermediate=weights["layers.0.mlp.up_proj.weight"].shape[0],
)
Llama(shape).load_state_dict(weights)  # names and shapes are those of the model

args.out.mkdir(parents=True, exist_ok=True)
save_file(
    {f"model.{name}": weight.half().contiguous() for name, weight in weights.items()},
    args.out / "model.safetensors",
)
tokenizer = json.loads((args.run / "tokenizer.json").read_text())
ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
shutil.copy(args.run / "tokenizer.json", args.out / "tokenizer.json")


def write(name: str, value: dict) -> None:
    (args.out / name).write_text(json.dumps(value, indent=2) + "\n")


write(
    "config.json",
    {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": shape.vocab,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate,
        "rope_theta": shape.rope_theta,
        "rms_norm_eps": shape.norm_eps,
        "max_position_embeddings": shape.max_positions,
        "tie_word_embeddings": True,
        "eos_token_id": ids[END],
        "torch_dtype": "float16",
    },
)
write(
    "tokenizer_config.json",
    {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "chat_template": CHAT_TEMPLATE,
        "model_max_length": shape.max_positions,
    },
)
