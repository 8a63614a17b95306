"""
Fewer kernels for what transformers and PEFT write as many: norms, rotary positions, and layers with
a lora. On a GPU each small kernel reads and writes all activations, which took more time than the
products (docs/experiments.md#gpu-step). The same numbers, but for rounding. Knows nothing of rows.
"""

from __future__ import annotations

import sys
from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.nn.functional import linear, rms_norm

#: classes of transformers that compute `weight · x / √(mean(x²) + variance_epsilon)`
RMS_NORMS = {"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"}
#: the function that their attention calls, by its name in the same module
ROTATE = "apply_rotary_pos_emb"


def fuse(model: nn.Module, adapter: str) -> None:
    """
    Replaces the forward pass of norms and of layers with a lora, and for all models of the same
    class the rotation. A layer whose base is not a plain matrix (4 bits) keeps PEFT's, without the
    conversion of what it reads to the lora's float32, which autocast converts back.
    """
    for module in model.modules():
        if type(module).__name__ in RMS_NORMS:
            module.forward = MethodType(_norm, module)
            setattr(sys.modules[type(module).__module__], ROTATE, rotate)
        elif type(module) is Linear and type(module.base_layer) is nn.Linear:
            module.forward = MethodType(_linear_of(adapter), module)
        elif isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


def _norm(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    # autocast would convert to float32, in which the kernel computes anyway
    with torch.autocast(hidden.device.type, enabled=False):
        return rms_norm(hidden, module.weight.shape, module.weight, module.variance_epsilon)


def rotate(
    query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Queries and keys [batch, heads, tokens, width] turned by their positions: the two halves of
    their width are the parts of complex numbers. `cos`, `sin` [batch, tokens, width] have both
    halves alike.
    """
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    return Rotation.apply(query, cos, sin), Rotation.apply(key, cos, sin)


class Rotation(torch.autograd.Function):
    """x1 cos − x2 sin and x2 cos + x1 sin; the gradient is turned back. Keeps no activations."""

    @staticmethod
    def forward(ctx: Any, x, cos, sin):
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin, 1)

    @staticmethod
    def backward(ctx: Any, gradient):
        cos, sin = ctx.saved_tensors
        return _turned(gradient, cos, sin, -1), None, None


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, sign: int) -> torch.Tensor:
    half = x.shape[-1] // 2
    turned = x * cos
    turned[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-sign)
    turned[..., half:].addcmul_(x[..., :half], sin[..., half:], value=sign)
    return turned


def _linear_of(adapter: str) -> Any:
    def forward(layer: Linear, inputs: torch.Tensor) -> torch.Tensor:
        if layer.disable_adapters:
            return layer.base_layer(inputs)
        return LoraLinear.apply(
            inputs,
            layer.base_layer.weight,
            layer.base_layer.bias,
            layer.lora_A[adapter].weight,
            layer.lora_B[adapter].weight,
            layer.scaling[adapter],
        )

    return forward


class LoraLinear(torch.autograd.Function):
    """
    x Wᵀ + scaling · (x Aᵀ) Bᵀ, with W frozen. Sums are made by the products that end in them:
    PEFT's scaling and sum, and the sum of both gradients of x, move 16 bytes of each output and 6
    of each input.
    """

    @staticmethod
    def forward(ctx: Any, inputs, weight, bias, a, b, scaling):
        x = inputs.flatten(0, -2)
        a, b = a.to(x.dtype), b.to(x.dtype)
        inner = x @ a.T
        ctx.save_for_backward(x, weight, a, b, inner)
        ctx.scaling = scaling
        outputs = linear(x, weight, bias).addmm_(inner, b.T, alpha=scaling)
        return outputs.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient):
        x, weight, a, b, inner = ctx.saved_tensors
        at_outputs = gradient.flatten(0, -2)
        at_inner = (at_outputs @ b) * ctx.scaling
        at_inputs = None
        if ctx.needs_input_grad[0]:
            at_inputs = (at_outputs @ weight).addmm_(at_inner, a).view(*gradient.shape[:-1], -1)
        at_a = (at_inner.T @ x).float()
        at_b = (at_outputs.T @ inner).float() * ctx.scaling
        return at_inputs, None, None, at_a, at_b, None
