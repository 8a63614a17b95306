"""When a training validates, and what it finds. Knows nothing of what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from engine.ranks import Ranks
from engine.row_outputs import LabelLogits, losses_of_rows
from engine.rows import TokenizedRow
from engine.token_budget import TokenBudget

#: progress at which validation runs, besides the end
VALIDATE_AT = (0.25, 0.5, 0.75)
#: the same where it may end the job
VALIDATE_WITH_PATIENCE_AT = tuple(tenth / 10 for tenth in range(1, 10))


def validations_due(progress: float, patience: int) -> int:
    """How many there should have been by now, without the one at the end."""
    return sum(progress >= at for at in (VALIDATE_WITH_PATIENCE_AT if patience else VALIDATE_AT))


def validation_loss(
    logits_of: LabelLogits, rows: Sequence[TokenizedRow], budget: TokenBudget, ranks: Ranks
) -> float:
    """Nats per completion token, each of the ranks computing its share of the rows."""
    own = ranks.share(rows)
    nats, tokens = 0.0, 0
    if own:
        losses = budget.within(own, partial(losses_of_rows, logits_of, own))
        tokens = sum(losses.tokens)
        nats = losses.mean * tokens
    all_nats, all_tokens = ranks.totals(nats, tokens)
    return all_nats / all_tokens
