"""
The same training by TRL's SFTTrainer with PEFT, as a user would write it; one line of JSON on
stdout:

    python -m gpu.trl_arm <given.json>

`given.json` has model_path, rows (each with input_ids and completion_mask), rank, alpha, batch,
micro_batch, steps, learning_rate, device, dtype, gradient_checkpointing.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Clock(TrainerCallback):
    """When each optimizer step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: object, **__: object) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def train(given: dict, output_dir: str) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(
        given["model_path"], dtype=getattr(torch, given["dtype"]), local_files_only=True
    )
    config = SFTConfig(
        output_dir=output_dir,
        max_steps=given["steps"],
        per_device_train_batch_size=given["micro_batch"],
        gradient_accumulation_steps=given["batch"] // given["micro_batch"],
        learning_rate=given["learning_rate"],
        gradient_checkpointing=given["gradient_checkpointing"],
        gradient_checkpointing_kwargs={"use_reentrant": False},
        completion_only_loss=True,
        max_length=None,
        bf16=given["dtype"] == "bfloat16",
        use_cpu=given["device"] == "cpu",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    lora = LoraConfig(
        r=given["rank"],
        lora_alpha=given["alpha"],
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    clock = Clock()
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(given["rows"]),
        processing_class=AutoTokenizer.from_pretrained(given["model_path"], local_files_only=True),
        peft_config=lora,
        callbacks=[clock],
    )
    trainer.train()
    return clock.ends


def peak_memory_bytes(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as output_dir:
        ends = train(given, output_dir)
    memory = peak_memory_bytes(given["device"])
    print(json.dumps({"step_ends": ends, "peak_memory_bytes": memory}))


if __name__ == "__main__":
    main()
