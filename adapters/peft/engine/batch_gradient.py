"""The gradient of one batch, accumulated from parts that fit into memory."""

from __future__ import annotations

from collections.abc import Sequence

from engine.lora_model import LoraModel
from engine.losses import label_losses, label_weights
from engine.packing import pack_rows, split_rows
from engine.ranks import Ranks
from engine.rows import TokenizedRow
from engine.sharding import in_step


def accumulate_gradient(
    model: LoraModel,
    rows: Sequence[TokenizedRow],
    weight_sum: float,
    ranks: Ranks,
    min_prefix_tokens: int,
    max_tokens: int,
) -> tuple[float, int]:
    """
    Loss of the rows and the tokens computed; leaves the gradient in the model.

    `weight_sum` is that of the whole batch, of which the rows may be this rank's share, even an
    empty one: the losses and gradients of all shares add up to those of the batch.
    """
    model.gradient.zero_()
    total, tokens = 0.0, 0
    with in_step(ranks, model.label_logits, backward=True) as label_logits:
        for part in split_rows(rows, max_tokens, min_prefix_tokens):
            packed = pack_rows(part, min_prefix_tokens)
            nats = label_losses(label_logits(packed), part)
            loss = (nats * label_weights(part, weight_sum, model.device)).sum()
            loss.backward()
            total += float(loss.detach())
            tokens += packed.tokens
    return total, tokens
