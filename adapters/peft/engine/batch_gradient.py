"""The gradient of one batch, accumulated from parts that fit into memory."""

from __future__ import annotations

from collections.abc import Sequence

from engine.lora_model import LoraModel
from engine.losses import label_losses, label_weights
from engine.packing import pack_rows, split_rows
from engine.rows import TokenizedRow


def accumulate_gradient(
    model: LoraModel, rows: Sequence[TokenizedRow], weight_sum: float, max_tokens: int
) -> tuple[float, int]:
    """
    Loss of the rows and the tokens computed; leaves the gradient in the model.

    `weight_sum` is that of the whole batch, of which the rows may be a share: the losses and
    gradients of all shares add up to those of the batch.
    """
    model.gradient.zero_()
    total, tokens = 0.0, 0
    for part in split_rows(rows, max_tokens):
        packed = pack_rows(part)
        nats = label_losses(model.label_logits(packed), part)
        loss = (nats * label_weights(part, weight_sum, model.device)).sum()
        loss.backward()
        total += float(loss.detach())
        tokens += packed.tokens
    return total, tokens
