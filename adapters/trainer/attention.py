"""
How rows that share a prefix are kept apart. `sdpa` reads a dense mask and computes every pair of
tokens, also those that do not see each other. `flex` is torch's FlexAttention, which leaves out
whole blocks of them; it is compiled for a GPU and needs triton and a C compiler there. On the CPU
it has no gradient. Both give the same numbers.

torch compiles it for the first length, for a single block and once for all other lengths, if they
are whole blocks; an odd length is compiled again, and so is a pass without gradients. At
`recompile_limit` (8 by default) torch goes on with an implementation that is not compiled and
writes all scores out: at 16,384 tokens and 32 heads 16,384² · 32 · 4 bytes = 34 GB a layer. So
packed rows are padded to whole blocks, the limit is out of reach, and `fullgraph` makes reaching it
an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from packing import PackedRows, dense_mask, fill_up, is_seen
from report import Report

Attention = Literal["sdpa", "flex"]

#: the name under which transformers know it
FLEX = "shared_prefix_flex"
#: tokens of a block of its mask, torch's default
BLOCK_TOKENS = 128
#: compilations: modes of gradients, kinds of heads and odd shapes are less than a dozen
RECOMPILE_LIMIT = 64
#: tokens of the attempt that tells whether it works
PROBE_TOKENS = 3 * BLOCK_TOKENS
#: of the attempt's largest number; bfloat16 has eight bits
PROBE_TOLERANCE = 0.03


def compile_flex(**options: Any) -> Callable[..., torch.Tensor]:
    """
    Raises torch's FailOnRecompileLimitHit, where it is called, instead of an uncompiled result.
    """
    # not at import: the compiler takes a second to load
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    return torch.compile(flex_attention, fullgraph=True, **options)


_compiled = cache(compile_flex)


def _attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: BlockMask | torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """
    `query` [batch, heads, tokens, width], `key` and `value` [batch, key heads, tokens, width];
    gives [batch, tokens, heads, width].
    """
    if not isinstance(attention_mask, BlockMask):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    attend = flex_attention if query.device.type == "cpu" else _compiled()
    attended = attend(query, key, value, block_mask=attention_mask, scale=scaling, enable_gqa=True)
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(FLEX, _attend)
AttentionMaskInterface.register(FLEX, sdpa_mask)


def implementation_of(attention: Attention) -> str:
    """transformers' name."""
    return FLEX if attention == "flex" else "sdpa"


def fit(
    model: PreTrainedModel, packed: PackedRows
) -> tuple[PackedRows, BlockMask | torch.Tensor | None]:
    """
    The rows as this model computes them, and what tells it who sees whom; None is causal. What is
    put behind the tokens to fill the last block is seen by none of them.
    """
    if packed.owners is None:
        return packed, None
    if model.config._attn_implementation != FLEX:
        return packed, packed.mask.to(model.device)
    filled = fill_up(packed, BLOCK_TOKENS)
    return filled, block_mask(filled.owners.to(model.device))


def block_mask(owners: torch.Tensor) -> BlockMask:
    """`owners` [tokens], as in PackedRows."""
    tokens = len(owners)
    return create_block_mask(
        lambda _batch, _head, query, key: is_seen(owners, query, key),
        B=None,
        H=None,
        Q_LEN=tokens,
        KV_LEN=tokens,
        device=owners.device,
    )


def choose_attention(device: str, dtype: torch.dtype, head_dim: int, report: Report) -> Attention:
    """`flex` on a GPU where it works, `sdpa` everywhere else."""
    if device == "cpu":
        return "sdpa"
    reason = why_not_flex(device, dtype, head_dim)
    if reason is None:
        return "flex"
    report.message(
        "warn",
        f"FlexAttention does not work here, so packed rows take more time: {reason}; "
        "it needs triton and a C compiler",
    )
    return "sdpa"


def why_not_flex(device: str, dtype: torch.dtype, head_dim: int) -> str | None:
    """Tries it forwards and backwards against dense attention; None when it gives the same."""
    owners = torch.arange(PROBE_TOKENS, device=device) // 70
    # two heads of queries for each of keys
    values = torch.randn(1, 4, PROBE_TOKENS, head_dim, device=device, dtype=dtype)

    def answers(attend: Callable[..., torch.Tensor], **mask: Any) -> list[torch.Tensor]:
        query = values.clone().requires_grad_()
        key = query[:, ::2]
        attended = attend(query, key, key, enable_gqa=True, **mask)
        attended.square().sum().backward()
        return [attended.detach().float(), query.grad.float()]

    try:
        flexed = answers(_compiled(), block_mask=block_mask(owners))
        dense = answers(scaled_dot_product_attention, attn_mask=dense_mask(owners))
    except Exception as error:  # a compiler raises whatever it likes
        return str(error.__cause__ or error).partition("\n")[0]
    worst = max(
        float((found - right).abs().max() / right.abs().max())
        for found, right in zip(flexed, dense, strict=True)
    )
    if worst <= PROBE_TOLERANCE:
        return None
    return f"it differs from dense attention by {worst:.3f}"
