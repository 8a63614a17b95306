"""
A base model in torch with one lora on all its linear layers, put there by PEFT. The lora's matrices
are views into one flat vector, so that optimizer, checkpoint and file see the vector.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from types import MethodType
from typing import Any, Literal

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from contract.errors import EngineError
from engine.attention import Attention, fit, implementation_of
from engine.base_model import BaseModel
from engine.lora_layout import LoraLayout
from engine.model_config import LINEAR_LAYERS
from engine.packing import PackedRows
from engine.ranks import Ranks
from engine.sharding import shard_base

ADAPTER = "default"
NO_FOUR_BIT_PARTS = (
    "a base model in 4 bits cannot be shared out over GPUs: unset ENGINE_SHARD_BASE, each GPU then "
    "holds all of it, or unset ENGINE_FOUR_BIT"
)


@dataclass(frozen=True)
class Placement:
    """Where and how exactly a model computes."""

    device: str
    dtype: Literal["float32", "bfloat16"]
    four_bit: bool = False

    def __post_init__(self) -> None:
        if self.four_bit and importlib.util.find_spec("bitsandbytes") is None:
            raise EngineError(
                "invalid_request", "a 4-bit base model needs bitsandbytes; install it"
            )


def default_placement() -> Placement:
    """bfloat16 on a GPU, float32 on the CPU."""
    if torch.cuda.is_available():
        return Placement("cuda", "bfloat16")
    return Placement("cpu", "float32")


def load_weights(
    base: BaseModel,
    placement: Placement,
    attention: Attention = "sdpa",
    ranks: Ranks | None = None,
) -> PreTrainedModel:
    """
    The base model, frozen, ready to compute; the part of it that is this one's where `ranks` share
    it out. Raises EngineError `invalid_model`, `invalid_request` for parts of a 4-bit base.
    """
    is_shared = ranks is not None and ranks.in_step
    if is_shared and placement.four_bit:
        raise EngineError("invalid_request", NO_FOUR_BIT_PARTS)
    # stderr is for lines of JSON
    logging.disable_progress_bar()
    options: dict[str, Any] = {"dtype": getattr(torch, placement.dtype)}
    if placement.four_bit:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=options["dtype"]
        )
        # without it transformers takes the first GPU
        options["device_map"] = {"": placement.device}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base.folder,
            attn_implementation=implementation_of(attention),
            attention_dropout=0.0,
            local_files_only=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineError("invalid_model", f"{base.folder} cannot be loaded: {error}") from error
    model.eval().requires_grad_(False)
    model.label_logits = MethodType(_label_logits, model)
    if is_shared:
        shard_base(model, ranks)
    elif not placement.four_bit:
        model.to(placement.device)
    return model


def lora_config(rank: int, alpha: float) -> LoraConfig:
    """A plain lora on all linear layers."""
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=[linear.split(".")[1] for linear in LINEAR_LAYERS],
        task_type="CAUSAL_LM",
    )


def matrix_of(model: PreTrainedModel, module: str, matrix: str, adapter: str) -> torch.Tensor:
    """The parameter A or B of an adapter at a linear layer."""
    layer = model.get_submodule(module)
    return getattr(layer, f"lora_{matrix}")[adapter].weight


def keep_input_dtype(model: PreTrainedModel) -> None:
    """
    Of layers with a lora whose matrices are float32. PEFT converts what they read to float32, and
    autocast converts it back to bfloat16: the same numbers, for which 12 bytes of each are moved,
    and of which each layer keeps a copy for the backward pass where q, k and v, gate and up now
    keep one together. Passes in bfloat16 must be within `autocast_of`.
    """
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


def autocast_of(model: PreTrainedModel) -> torch.autocast:
    """Of a bfloat16 model with a float32 lora; without effect for a float32 model."""
    is_half = model.dtype == torch.bfloat16
    return torch.autocast(model.device.type, torch.bfloat16, enabled=is_half)


class LoraModel:
    """The model that training computes with."""

    def __init__(
        self,
        model: PreTrainedModel,
        layout: LoraLayout,
        theta: np.ndarray,
        *,
        checkpointing: bool | None,
    ) -> None:
        """`checkpointing` None: as soon as memory is too small."""
        self._model = model
        self.device = next(model.parameters()).device
        self.theta = torch.tensor(theta, device=self.device)
        self.gradient = torch.zeros_like(self.theta)
        self._peft = get_peft_model(model, lora_config(layout.rank, layout.alpha))
        keep_input_dtype(model)
        self._bind(layout)
        self._may_recompute = checkpointing is None
        if checkpointing:
            self._recompute_activations()

    def free_memory(self) -> bool:
        """
        Recomputes activations in the backward pass from now on; false where that is decided
        already. With a frozen base a pass is 2 operations a parameter and token forwards and 2
        backwards, where only inputs have gradients, so 2 more are half the time again.
        """
        if not self._may_recompute:
            return False
        self._may_recompute = False
        self._recompute_activations()
        return True

    def _recompute_activations(self) -> None:
        # only a model in training mode recomputes them
        self._model.gradient_checkpointing_enable({"use_reentrant": False})
        self._model.train()

    def _bind(self, layout: LoraLayout) -> None:
        for entry in layout.entries:
            parameter = matrix_of(self._model, entry.module, entry.matrix, ADAPTER)
            stretch = slice(entry.offset, entry.offset + entry.length)
            parameter.data = self.theta[stretch].view(entry.shape)
            parameter.grad = self.gradient[stretch].view(entry.shape)

    def label_logits(self, packed: PackedRows) -> torch.Tensor:
        """What the lora says at every completion token: [labels, vocabulary]."""
        return label_logits(self._model, packed)

    def base_label_logits(self, packed: PackedRows) -> torch.Tensor:
        """What the base model says there, with the lora switched off."""
        with self._peft.disable_adapter():
            return label_logits(self._model, packed)


def label_logits(model: PreTrainedModel, packed: PackedRows) -> torch.Tensor:
    """What a model of `load_weights` says at every completion token: [labels, vocabulary]."""
    return model.label_logits(packed)


def _label_logits(model: PreTrainedModel, packed: PackedRows) -> torch.Tensor:
    device = model.device
    packed, mask = fit(model, packed)
    with autocast_of(model):
        hidden = model.model(
            input_ids=packed.ids.to(device),
            position_ids=packed.positions.to(device),
            attention_mask=mask,
            use_cache=False,
        ).last_hidden_state
        at_labels = hidden.flatten(0, 1)[packed.label_places.to(device)]
        return model.lm_head(at_labels)
