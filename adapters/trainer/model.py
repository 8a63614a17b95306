"""
A base model in torch, frozen, with one trainable lora that PEFT puts on it and takes off. Knows
nothing of rows' meaning, optimizers or files other than the model's and the lora's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from attention import Attention, fit, implementation_of
from errors import TrainingError
from fused import fuse
from packing import PackedRows

ADAPTER = "default"


def load_base(
    folder: Path, device: str, dtype: str, *, four_bit: bool = False, attention: Attention = "sdpa"
) -> PreTrainedModel:
    """
    The base model, frozen, ready to compute.

    Raises TrainingError `invalid-model`, `invalid-request` where bitsandbytes is missing.
    """
    # stderr is for lines of JSON
    logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": getattr(torch, dtype)}
    if four_bit:
        if importlib.util.find_spec("bitsandbytes") is None:
            raise TrainingError(
                "invalid-request",
                "a 4-bit base model needs bitsandbytes: install it, or unset ENGINE_FOUR_BIT",
            )
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=options["dtype"]
        )
        # without it transformers takes the first GPU
        options["device_map"] = {"": device}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            attn_implementation=implementation_of(attention),
            attention_dropout=0.0,
            local_files_only=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise TrainingError("invalid-model", f"{folder} cannot be loaded: {error}") from error
    model.eval().requires_grad_(False)
    return model if four_bit else model.to(device)


class LoraModel:
    """The model that training computes with; the lora begins as its folder has it."""

    def __init__(self, base: PreTrainedModel, folder: Path) -> None:
        """Raises TrainingError `invalid-model` for a folder that does not fit the base model."""
        self.base = base
        self.device = base.device
        try:
            self._peft = PeftModel.from_pretrained(base, str(folder), ADAPTER, is_trainable=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise TrainingError("invalid-model", f"{folder} cannot be loaded: {error}") from error
        fuse(base, ADAPTER)
        #: by PEFT's names in a file; float32 and trainable
        self.weights: dict[str, torch.nn.Parameter] = {
            name.replace(f".{ADAPTER}.", "."): parameter
            for name, parameter in self._peft.named_parameters()
            if parameter.requires_grad
        }
        self.recomputes = False

    def recompute_activations(self) -> None:
        """
        In the backward pass from now on. With a frozen base a pass is 2 operations a parameter and
        token forwards and 2 backwards, where only inputs have gradients, so 2 more are half the
        time again.
        """
        self.recomputes = True
        self.base.gradient_checkpointing_enable({"use_reentrant": False})
        # only a model in training mode recomputes them
        self.base.train()

    def label_logits(self, packed: PackedRows) -> torch.Tensor:
        """What the lora says at every completion token: [labels, vocabulary]."""
        return label_logits(self.base, packed)

    def base_label_logits(self, packed: PackedRows) -> torch.Tensor:
        """What the base model says there."""
        with self.without_lora():
            return label_logits(self.base, packed)

    @contextmanager
    def without_lora(self) -> Iterator[PreTrainedModel]:
        """The base model as it was, with the lora switched off."""
        with self._peft.disable_adapter():
            yield self.base

    @torch.no_grad()
    def set_weights(self, weights: dict[str, torch.Tensor]) -> None:
        for name, parameter in self.weights.items():
            parameter.copy_(weights[name])

    def copy_weights(self) -> dict[str, torch.Tensor]:
        """In host memory."""
        return {
            name: parameter.detach().to("cpu", copy=True)
            for name, parameter in self.weights.items()
        }

    def save(self, folder: Path) -> None:
        """
        `adapter_config.json` and `adapter_model.safetensors`.

        Raises TrainingError `store-unavailable`.
        """
        try:
            # else PEFT asks the hub whether the base model's vocabulary was changed
            self._peft.save_pretrained(str(folder), save_embedding_layers=False)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                "store-unavailable", f"{folder} cannot be written: {error}; make room on that disk"
            ) from error


def label_logits(model: PreTrainedModel, packed: PackedRows) -> torch.Tensor:
    """What a model of `load_base` says at every completion token: [labels, vocabulary]."""
    device = model.device
    packed, mask = fit(model, packed)
    # a bfloat16 model with a float32 lora; without effect for a float32 model
    with torch.autocast(device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16):
        hidden = model.model(
            input_ids=packed.ids.to(device),
            position_ids=packed.positions.to(device),
            attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        at_labels = hidden.flatten(0, 1)[packed.label_places.to(device)]
        return model.lm_head(at_labels)
