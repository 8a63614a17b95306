"""
The floating-point operations that a step of lora training needs. Pure. Counted is what the method
needs, as model FLOP/s utilization counts it (PaLM, arXiv 2204.02311, appendix B): what gradient
checkpointing computes again and what padding costs is not in it.

A product with a weight of n elements costs a token 2n forward. Backward it costs 2n for the
gradient of its input and 2n for the gradient of the weight. The base is frozen, so its weights need
the former alone, 4n in all; a lora's matrices need both, 6n. Three things are less:

- nothing that is trained lies before the first layer's query, key and value products, so they and
  their loras' A need no gradient of their input: 2n less;
- the head is computed at completion tokens alone, since only they carry loss;
- the embedding is looked up and not multiplied.

Attention costs 4 · heads · head size for each pair of query and key that the mask lets through,
half of it for the scores and half for the sum of the values, and twice that backward: 12 in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.model_config import LINEAR_LAYERS, ModelConfig
from engine.rows import TokenizedRow, shared_prefix_tokens

FIRST_LINEARS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


@dataclass(frozen=True)
class Work:
    """What one optimizer step computes."""

    rows: int
    tokens: int
    #: completion tokens
    labels: int
    #: pairs of query and key that attention lets through, in one head of one layer
    pairs: int


def separate_work(rows: Sequence[TokenizedRow]) -> Work:
    """Every row with its own prompt. A row's last token is only a label, so it is not computed."""
    lengths = [row.length - 1 for row in rows]
    pairs = sum(length * (length + 1) // 2 for length in lengths)
    return Work(len(rows), sum(lengths), _labels(rows), pairs)


def packed_work(rows: Sequence[TokenizedRow]) -> Work:
    """The prefix that all rows share once, and behind it each row's own tokens."""
    prefix = shared_prefix_tokens(rows)
    own = [row.length - 1 - prefix for row in rows]
    pairs = prefix * (prefix + 1) // 2 + sum(n * prefix + n * (n + 1) // 2 for n in own)
    return Work(len(rows), prefix + sum(own), _labels(rows), pairs)


def _labels(rows: Sequence[TokenizedRow]) -> int:
    return sum(len(row.completion_ids) for row in rows)


def linear_elements(config: ModelConfig, linears: Sequence[str] = LINEAR_LAYERS) -> int:
    """Of these products in one decoder layer."""
    shapes = (config.linear_shape(linear) for linear in linears)
    return sum(rows * columns for rows, columns in shapes)


def lora_elements(config: ModelConfig, rank: int) -> int:
    """Of the lora in one decoder layer."""
    return sum(rank * sum(config.linear_shape(linear)) for linear in LINEAR_LAYERS)


def step_flops(config: ModelConfig, rank: int, work: Work) -> int:
    """Of one forward and backward pass; see the head of this file."""
    base = 4 * config.layers * linear_elements(config)
    lora = 6 * config.layers * lora_elements(config, rank)
    first = 2 * (
        linear_elements(config, FIRST_LINEARS) + len(FIRST_LINEARS) * rank * config.hidden_size
    )
    head = 4 * config.vocab_size * config.hidden_size
    attention = 12 * config.layers * config.heads * config.head_dim
    return work.tokens * (base + lora - first) + work.labels * head + work.pairs * attention
