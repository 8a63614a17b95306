"""
One process of engine.ts: the same training with PyTorch, transformers and PEFT on the CPU, as a user
would write it; milliseconds a row as one line of JSON. Weights are random: speed does not depend on
them.

    python bench/engine/pytorch.py '{"config": {...}, "training": {...}, "steps": 3, "threads": 2}'
"""
import json
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

given = json.loads(sys.argv[1])
config, training = given["config"], given["training"]
torch.set_num_threads(given["threads"])
torch.manual_seed(1)

model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=config["vocabSize"],
        hidden_size=config["hiddenSize"],
        num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"],
        num_key_value_heads=config["kvHeads"],
        head_dim=config["headDim"],
        intermediate_size=config["intermediateSize"],
        max_position_embeddings=config["maxPositions"],
        tie_word_embeddings=config["tiedEmbeddings"],
        use_cache=False,
    )
)
rank = training["rank"]
model = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
model.train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)


def ms_per_row(workload: dict, bfloat16: bool) -> float:
    tokens = workload["prefixTokens"] + workload["promptTokens"] + workload["completionTokens"]
    ids = torch.randint(0, config["vocabSize"], (workload["rows"], tokens))
    labels = ids.clone()
    labels[:, : -workload["completionTokens"]] = -100
    times = []
    for _ in range(1 + given["steps"]):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append((time.perf_counter() - begun) * 1000 / workload["rows"])
    return sorted(times[1:])[len(times[1:]) // 2]


figures = {name: ms_per_row(training[name], False) for name in ("short", "prompted")}
if torch.cpu._is_avx512_bf16_supported():
    figures |= {f"{name}_bfloat16": ms_per_row(training[name], True) for name in ("short", "prompted")}
print(json.dumps(figures))
