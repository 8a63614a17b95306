"""What needs no model: losses, and how far a teacher is trusted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from losses import CrossEntropy, bucket_cross_entropy
from rows import Row, SoftTargets, group_by_prefix, trusted_targets


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_the_loss_and_its_gradient_are_those_of_torch(dtype, most):
    torch.manual_seed(0)
    logits = (4 * torch.randn(5, 37)).to(dtype).requires_grad_()
    ids, weights = torch.tensor([0, 36, 4, 4, 20]), torch.tensor([1.0, 0, 0.3, 2, 1])
    right = logits.detach().float().requires_grad_()
    expected = torch.nn.functional.cross_entropy(right, ids, reduction="none")
    (expected * weights).sum().backward()
    found = CrossEntropy.apply(logits, ids)
    (found * weights).sum().backward()
    assert torch.allclose(found, expected, atol=1e-5)
    assert logits.grad.dtype == dtype
    assert float((logits.grad - right.grad).norm() / right.grad.norm()) <= most


def test_the_rest_is_one_bucket_with_the_gradient_of_its_formula():
    torch.manual_seed(0)
    logits = torch.randn(3, 11, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([[1, 2], [3, 0], [10, 4]])
    shares = torch.tensor([[0.6, 0.3], [0.5, 0.5], [0.2, 0.1]], dtype=torch.float64)
    losses = bucket_cross_entropy(logits, ids, shares)
    losses.sum().backward()
    p = torch.softmax(logits.detach(), dim=1)
    named = p.gather(1, ids)
    rest, target_rest = 1 - named.sum(1), 1 - shares.sum(1)
    expected = -(shares * named.log()).sum(1) - target_rest * rest.log()
    assert torch.allclose(losses, expected)
    # d loss / d logits = p − target, where the rest's target is spread like p
    spread = (target_rest / rest)[:, None]
    target = (p * spread).scatter(1, ids, shares)
    assert torch.allclose(logits.grad, p - target)


def test_a_teacher_is_trusted_until_the_answer_leaves_it():
    ids = np.array([[5, 6], [7, 8], [9, 1]])
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], dtype=np.float32)
    trusted = trusted_targets(SoftTargets(ids, shares), [5, 8, 9])
    assert trusted.probabilities.tolist() == [
        pytest.approx([0.9, 0.1]),
        pytest.approx([0, 1]),
        pytest.approx([1, 0]),
    ]


def test_rows_that_begin_alike_are_computed_together():
    prompts = [[1, 2, 3, 4], [9, 9, 9, 1], [1, 2, 3, 5], [9, 9, 9, 2]]
    groups = group_by_prefix([Row(prompt, [0]) for prompt in prompts])
    assert sorted(map(sorted, groups)) == [[0, 2], [1, 3]]
