"""What needs no model: random numbers, JSON, the learning rate, samplers, constraints, text."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from contract.errors import EngineError
from engine.constraint import Choices, JsonObject
from engine.hyperparameters import JobShape, learning_rate_at, resolve_hyperparameters
from engine.javascript_json import number_text, stringify
from engine.json_validator import START, bytes_to_end, feed
from engine.losses import bucket_cross_entropy
from engine.row_order import epoch_batches
from engine.rows import SoftTargets, trusted_targets
from engine.sampler import SampledToken, Sampler, Sampling
from engine.seeded_random import derive_seed, seeded_random, shuffled
from engine.text import TextAssembler

SHAPE = JobShape(rows=100, parameters=1_000_000, start=None)


def test_random_numbers_are_those_of_the_embedded_engine():
    # from src/random.ts: seededRandom(42), deriveSeed(7, 3), deriveSeed(7, -1)
    random = seeded_random(42)
    assert [random() for _ in range(3)] == [
        0.6011037519201636,
        0.44829055899754167,
        0.8524657934904099,
    ]
    assert sorted(shuffled(list(range(50)), seeded_random(1))) == list(range(50))
    assert derive_seed(7, 3) == derive_seed(7, 3) != derive_seed(7, -1)


def test_numbers_are_written_as_javascript_writes_them():
    cases = {
        1e-05: "0.00001",
        1e-07: "1e-7",
        1.5e-07: "1.5e-7",
        10000.0: "10000",
        0.003: "0.003",
        1e21: "1e+21",
        123456789012345680000.0: "123456789012345680000",
        -2.5: "-2.5",
        0.1: "0.1",
        float("nan"): "null",
    }
    assert {value: number_text(value) for value in cases} == cases


def test_json_has_array_indexes_first_and_keeps_characters():
    assert (
        stringify({"b": 1, "10": 2, "9": "é\u2028\ud800"}) == '{"9":"é\u2028\\ud800","10":2,"b":1}'
    )
    assert stringify({"a": [], "b": {"c": [1]}}, 2) == json.dumps(
        {"a": [], "b": {"c": [1]}}, indent=2
    )


def test_defaults_follow_rows_and_size():
    resolved = resolve_hyperparameters({}, SHAPE)
    assert (resolved.rank, resolved.alpha, resolved.learning_rate) == (16, 32, 3e-3)
    assert (resolved.n_epochs, resolved.total_steps) == (10, 70)


@pytest.mark.parametrize("given", [{"rank": 0}, {"warmup_ratio": 2}, {"schedule_span": [1, 0]}])
def test_a_hyperparameter_out_of_range_is_named(given):
    with pytest.raises(EngineError) as caught:
        resolve_hyperparameters(given, SHAPE)
    assert caught.value.param == f"hyperparameters.{next(iter(given))}"


def test_stages_lie_on_one_cosine():
    def at(progress, span):
        given = {"schedule_span": span, "warmup_ratio": 0, "learning_rate": 1}
        return learning_rate_at(progress, resolve_hyperparameters(given, SHAPE))

    assert at(1, [0, 0.5]) == pytest.approx(at(0, [0.5, 1])) == pytest.approx(0.5)
    assert at(1, [0.5, 1]) == pytest.approx(0)


def test_every_row_comes_once_an_epoch_and_epochs_differ():
    lengths = [5 + number % 7 for number in range(50)]
    first, second = (epoch_batches(lengths, 4, 3, epoch) for epoch in (0, 1))
    assert sorted(sum(first, [])) == list(range(50))
    assert first != second and first == epoch_batches(lengths, 4, 3, 0)


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


def logprobs_of(*weights: float) -> np.ndarray:
    values = np.log(np.array(weights) / sum(weights))
    return values.astype(np.float32)


def test_sampling_keeps_to_the_nucleus_and_to_its_seed():
    logprobs = logprobs_of(5, 3, 1, 1)

    def drawn(seed):
        sampler = Sampler(Sampling(1.0, 0.7, seed), 0)
        return [sampler.choose(logprobs, None).token_id for _ in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert set(drawn(1)) == {0, 1}


def test_choices_report_the_models_own_probabilities():
    choices = Choices([[1], [2, 3]], 0)
    token = Sampler(Sampling(0, 1, 0), 2).choose(logprobs_of(1, 1, 2, 6), choices)
    assert token.token_id == 2 and token.logprob == pytest.approx(np.log(0.2))
    assert [other.token_id for other in token.top] == [3, 2]
    choices.advance(2)
    assert choices.candidates() == [3] and not choices.finished


@pytest.mark.parametrize(
    "text", ["{}", '{"a": [1, -2.5e+3, true, null, {"b": "\\u00e9\\n"}]}', '{"é": "🙂"}']
)
def test_objects_are_read_to_their_end(text):
    state = feed(START, text.encode())
    assert state is not None and state.place == "complete"
    for cut in range(len(text.encode())):
        begun = feed(START, text.encode()[:cut])
        assert begun is not None and bytes_to_end(begun) > 0


@pytest.mark.parametrize("text", ["[", '{"a" 1', "{'", '{"a": 01', '{"\xff'])
def test_what_is_no_json_is_refused(text):
    assert feed(START, text.encode("latin-1")) is None


def test_an_object_is_closed_before_the_tokens_run_out():
    table = {number: bytes([number]) for number in range(1, 256)}
    constraint = JsonObject(lambda token: table.get(token, b""), 8)
    random, written = seeded_random(5), b""
    while not constraint.finished:
        allowed = [token for token in table if constraint.allows(token)]
        token = allowed[int(random() * len(allowed))]
        constraint.advance(token)
        written += bytes([token])
    assert len(written) <= 8 and isinstance(json.loads(written), dict)


def assembled(pieces: list[bytes], stop: list[str]) -> tuple[str, int, list[str]]:
    assembler = TextAssembler(lambda token: pieces[token], [99], stop=stop, shows_end=False)
    deltas, ended = [], False
    for token in range(len(pieces)):
        ended = assembler.push(SampledToken(token, -0.5))
        deltas += assembler.take()
        if ended:
            break
    assembler.end()
    deltas += assembler.take()
    text = "".join(delta.text for delta in deltas)
    return text, sum(len(delta.logprobs) for delta in deltas), [delta.text for delta in deltas]


def test_a_stop_string_across_tokens_ends_the_answer_before_it():
    text, entries, _ = assembled([b"one ", b"E", b"N", b"D more"], ["END"])
    assert (text, entries) == ("one ", 1)
    assert assembled([b"one ", b"E", b"N", b"x"], ["END"])[0] == "one ENx"


def test_characters_are_shown_whole():
    euro = "€".encode()
    text, entries, deltas = assembled([b"3 ", euro[:1], euro[1:2], euro[2:]], [])
    assert (text, entries) == ("3 €", 4) and all("\ufffd" not in delta for delta in deltas)
    assert assembled([euro[:2]], [])[0] == "\ufffd"
