"""
Weights to start from that can look things up already.

A model of this size that starts from noise never learns to look up within hours on two cores: it
guesses from the answers that the prompt has (docs/experiments.md#tiny-model). So the circuit is
laid out by hand before the first step, and training has to refine it instead of finding it:

- Embedding: the forms of a word ("lamp", " lamp", "Lamp") start as almost one vector. Half of the
  dimensions are the word's content, one is a constant that heads can read, the rest are four empty
  slots.
- Layer 0: head h looks h + 1 tokens back, by rotary position alone, and writes what stands there
  into slot h.
- Layers 1 and 2: heads that compare a slot (or the content) of the present token with a slot of all
  others, in dimensions that rotate too slowly to feel position, and copy the content they find.
  "content against slot 0" is an induction head; "slot 1 against slot 1" finds, from behind a
  question that ends with an item, the value that stands two tokens behind the item in a table.
"""
import math

import torch
from torch import Tensor

from model import Llama, rotary_frequencies

EMBEDDING_SCALE = 0.08
CONSTANT = 2.0
FORM_NOISE = 0.3
# logits of a perfect match and of a token against itself, times sqrt(head_dim)
BACKWARD_SHARPNESS = 60.0
SELF_PENALTY = 64.0
MATCH_SHARPNESS = 2.6
COPY_STRENGTH = 1.6
# radians per position: above, a pair of dimensions tells neighbours apart; below, it hardly turns
FAST, SLOW = 0.05, 0.002
SLOTS = 4


def word_vectors(words: list[str], width: int, random: torch.Generator) -> Tensor:
    """One random vector a word, all of one length, with a little noise for each token of it."""
    known: dict[str, Tensor] = {}
    rows = []
    for word in words:
        if word not in known:
            known[word] = torch.randn(width, generator=random)
        rows.append(known[word] + FORM_NOISE * torch.randn(width, generator=random))
    vectors = torch.stack(rows)
    return vectors * math.sqrt(width) / vectors.norm(dim=1, keepdim=True)


@torch.no_grad()
def initialize_lookup(model: Llama, words: list[str], seed: int) -> None:
    """words: of each token, without its leading space and in lower case."""
    random = torch.Generator().manual_seed(seed)
    shape = model.shape
    dim, hidden = shape.head_dim, shape.hidden
    content = hidden // 2 - 1
    slot_width = (hidden - content - 1) // SLOTS

    embedding = torch.zeros(shape.vocab, hidden)
    embedding[:, :content] = word_vectors(words, content, random)
    embedding[:, content] = CONSTANT
    model.embed_tokens.weight.copy_(embedding * EMBEDDING_SCALE)
    rms = (embedding * EMBEDDING_SCALE).pow(2).mean(-1).sqrt().mean().item()
    # behind the norm: the constant, and one unit of content
    constant, unit = CONSTANT * EMBEDDING_SCALE / rms, EMBEDDING_SCALE / rms

    frequencies = rotary_frequencies(shape)
    pairs = dim // 2
    fast = (frequencies > FAST).float()
    slow = torch.nonzero(frequencies < SLOW).flatten()
    still = torch.cat([slow, slow + pairs])[:slot_width]
    assert len(still) == slot_width, "too few slow dimensions: raise rope_theta"
    projection = torch.randn(slot_width, content, generator=random) / math.sqrt(content)

    def slot(index: int) -> slice:
        start = content + 1 + index * slot_width
        return slice(start, start + slot_width)

    def empty_head(layer: int, head: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        attention = model.layers[layer].self_attn
        rows = slice(head * dim, (head + 1) * dim)
        q, k, v = (
            projection_.weight[rows]
            for projection_ in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        o = attention.o_proj.weight[:, rows]
        for weight in (q, k, v, o):
            weight.zero_()
        return q, k, v, o

    def look_back(head: int, tokens: int) -> None:
        q, k, v, o = empty_head(0, head)
        strength = math.sqrt(BACKWARD_SHARPNESS) / constant
        # turned back by so many tokens, the query meets the key there at angle 0 in every pair
        q[:pairs, content] = strength * fast * torch.cos(frequencies * tokens)
        q[pairs:, content] = -strength * fast * torch.sin(frequencies * tokens)
        k[:pairs, content] = strength * fast
        v[:slot_width, :content] = projection
        o[slot(head), :slot_width] = torch.eye(slot_width) * rms

    # once the slots are full, a unit is less behind the norm
    shrunk = 1 / math.sqrt(1 + SLOTS * slot_width / hidden)

    def find(layer: int, head: int, query: int | None, key: int, part: int) -> None:
        """query: a slot, or None for the content itself; part: which head_dim of the content to copy."""
        q, k, v, o = empty_head(layer, head)
        sharpness = MATCH_SHARPNESS / (unit * shrunk)
        if query is None:
            q[still, :content] = projection * sharpness
        else:
            q[still, slot(query)] = torch.eye(slot_width) * sharpness
        k[still, slot(key)] = torch.eye(slot_width) * sharpness
        aside = math.sqrt(SELF_PENALTY) / (constant * shrunk)
        q[:pairs, content] += aside * fast
        k[:pairs, content] -= aside * fast
        start, end = part * dim, min((part + 1) * dim, content)
        v[: end - start, start:end] = torch.eye(end - start)
        o[start:end, : end - start] = torch.eye(end - start) * rms * COPY_STRENGTH

    for head in range(SLOTS):
        look_back(head, head + 1)
    for part in (0, 1):
        find(1, part, None, 0, part)
        find(1, 2 + part, 1, 1, part)
        find(2, part, 2, 1, part)
