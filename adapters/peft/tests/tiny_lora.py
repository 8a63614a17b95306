"""A lora with random weights, as training would have left it, in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.base_model import BaseModel, open_base_model
from engine.lora_layout import create_lora_layout, init_lora
from engine.lora_model import LoraModel, Placement, load_weights
from engine.lora_store import LoraManifest, write_lora
from engine.probe import measure_probe, probe_rows
from engine.row_outputs import completion_nats
from engine.seeded_random import seeded_random


def tiny_manifest(base: BaseModel, *, seed: int = 0) -> LoraManifest:
    return LoraManifest(
        base_model=base.name,
        base_fingerprint=base.fingerprint,
        tokenizer_hash=base.tokenizer_hash,
        chat_template_hash=base.chat.template_hash,
        data_hash="none",
        parent=None,
        seed=seed,
        hyperparameters={},
        rendering={"default_system_message": False},
        suffix=None,
        metadata={},
    )


def write_tiny_lora(model_path: Path, loras_dir: Path, *, seed: int = 1, rank: int = 4) -> str:
    """Its id. It says almost what the base model says, and so goes on for as long."""
    base = open_base_model(model_path)
    layout = create_lora_layout(base.config, rank, 2 * rank)
    random = seeded_random(seed)
    theta = init_lora(layout, random)
    theta = np.array([value or (random() - 0.5) * 0.1 for value in theta], dtype=np.float32)
    weights = load_weights(base, Placement("cpu", "float32"))
    model = LoraModel(weights, layout, theta, checkpointing=False)
    probe = measure_probe(
        probe_rows(base.chat),
        lambda row: completion_nats(model.base_label_logits, row),
        lambda row: completion_nats(model.label_logits, row),
        "float32",
    )
    return write_lora(loras_dir, layout, theta, tiny_manifest(base, seed=seed), None, probe)
