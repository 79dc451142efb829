import math
import warnings
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
import torch

from charrnn.config.schema import ModelParams
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary
from charrnn.evaluation.metrics import bits_per_char, evaluate, mean_loss, probe_loss, window_losses
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("\n abcé", (1,) * 6, tuple(range(6)))
IDS = np.random.default_rng(3).choice(6, 223, p=[0.05, 0.25, 0.3, 0.2, 0.15, 0.05]).astype(np.uint8)


@pytest.fixture(params=CELLS)
def model(request: pytest.FixtureRequest) -> CharRNN:
    """Untrained, far from uniform, in training mode, with dropout."""
    torch.manual_seed(1)
    params = ModelParams(cell=request.param, hidden_size=6, embedding_size=4, num_layers=2, dropout=0.4)
    made = CharRNN(params, VOCABULARY.size)
    with torch.no_grad():
        made.decoder.weight.mul_(8)
    return made


@pytest.fixture
def streams() -> Streams:
    """Three streams of 74 predictions in 8 windows, the last of them short."""
    return Streams(IDS, 3, 10, CPU)


def naive(model: CharRNN) -> list[list[tuple[int, float, bool]]]:
    """Read each of the three streams by itself, character by character: target, loss and whether it was likeliest."""
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for stream in range(3):
            text = IDS[stream * 74 : stream * 74 + 75].tolist()
            state, steps = model.initial_state(1), []
            for character, target in pairwise(text):
                scores, state = model(torch.tensor([[character]]), state)
                probabilities = torch.softmax(scores[0, 0].double(), 0).tolist()
                steps.append((target, -math.log(probabilities[target]), max(probabilities) == probabilities[target]))
            found.append(steps)
    model.train(was_training)
    return found


def test_the_loss_is_that_of_reading_each_stream_character_by_character(model: CharRNN, streams: Streams) -> None:
    losses = [loss for stream in naive(model) for _, loss, _ in stream]
    assert len(losses) == streams.characters == 222
    expected = pytest.approx(math.fsum(losses) / 222, rel=1e-5)
    assert mean_loss(model, streams) == expected
    assert evaluate(model, streams, VOCABULARY).loss == expected


@pytest.mark.parametrize(("windows", "characters"), [(1, 10), (3, 30), (7, 70), (8, 74), (99, 74)])
def test_a_limit_takes_the_first_windows_of_every_stream(
    windows: int, characters: int, model: CharRNN, streams: Streams
) -> None:
    losses = [loss for stream in naive(model) for _, loss, _ in stream[:characters]]
    assert mean_loss(model, streams, windows) == pytest.approx(math.fsum(losses) / len(losses), rel=1e-5)


@pytest.mark.parametrize("size", [1, 3, 10, 74, 500])
def test_the_length_of_the_windows_does_not_matter(size: int, model: CharRNN, streams: Streams) -> None:
    other = Streams(IDS, 3, min(size, 74), CPU)
    assert mean_loss(model, other) == pytest.approx(mean_loss(model, streams), rel=1e-6)


@pytest.mark.parametrize(("window", "first", "last"), [(1, 0, 10), (5, 40, 50), (8, 70, 74)])
def test_the_probe_sums_over_the_steps_of_its_window(
    window: int, first: int, last: int, model: CharRNN, streams: Streams
) -> None:
    expected = math.fsum(loss for stream in naive(model) for _, loss, _ in stream[first:last]) / 3
    assert probe_loss(model, streams, window) == pytest.approx(expected, rel=1e-5)


def test_window_losses_come_with_their_hits_and_targets(model: CharRNN, streams: Streams) -> None:
    found = list(window_losses(model, streams))
    losses, hits, targets = (torch.cat(parts).t().tolist() for parts in zip(*found, strict=True))
    assert [tensor.shape for tensor in found[0]] == [(10, 3)] * 3
    assert [tensor.dtype for tensor in found[0]] == [torch.float32, torch.bool, torch.int64]
    for number, stream in enumerate(naive(model)):
        assert targets[number] == [target for target, _, _ in stream]
        assert hits[number] == [hit for _, _, hit in stream]
        assert losses[number] == pytest.approx([loss for _, loss, _ in stream], rel=1e-4, abs=1e-5)


def test_accuracy_is_the_share_of_characters_that_were_the_likeliest(model: CharRNN, streams: Streams) -> None:
    hits = sum(hit for stream in naive(model) for _, _, hit in stream)
    report = evaluate(model, streams, VOCABULARY)
    assert 0 < hits < 222
    assert report.accuracy == hits / 222
    assert report.characters == 222


def test_bits_and_perplexity_are_the_loss_in_other_units(model: CharRNN, streams: Streams) -> None:
    report = evaluate(model, streams, VOCABULARY)
    assert report.bits_per_char == pytest.approx(math.log2(math.exp(report.loss)), rel=1e-12)
    assert report.perplexity == pytest.approx(2**report.bits_per_char, rel=1e-12)
    assert bits_per_char(math.log(256)) == pytest.approx(8, rel=1e-12)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(streams: Streams) -> None:
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), VOCABULARY.size)
    torch.nn.init.zeros_(model.decoder.weight)
    torch.nn.init.zeros_(model.decoder.bias)
    assert evaluate(model, streams, VOCABULARY).perplexity == pytest.approx(VOCABULARY.size, rel=1e-6)


def test_positions_are_binned_by_doubling_from_the_start_of_the_streams(model: CharRNN, streams: Streams) -> None:
    table = evaluate(model, streams, VOCABULARY).by_position
    bins = [(0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 74)]
    assert list(table["position"]) == [f"{first}-{last - 1}" for first, last in bins]
    assert list(table["characters"]) == [3 * (last - first) for first, last in bins]
    read = naive(model)
    for (first, last), loss in zip(bins, table["loss"], strict=True):
        losses = [step[1] for stream in read for step in stream[first:last]]
        assert loss == pytest.approx(math.fsum(losses) / len(losses), rel=1e-5)


def test_the_costliest_characters_are_told_with_what_they_cost(model: CharRNN, streams: Streams) -> None:
    costs: dict[int, list[float]] = defaultdict(list)
    for stream in naive(model):
        for target, loss, _ in stream:
            costs[target].append(loss)
    order = sorted(costs, key=lambda target: -math.fsum(costs[target]))
    total = math.fsum(map(math.fsum, costs.values()))
    shown = {"\n": r"\n", " ": "␣"}
    table = evaluate(model, streams, VOCABULARY).costliest
    assert list(table["character"]) == [shown.get(c, c) for c in (VOCABULARY.characters[target] for target in order)]
    assert list(table["count"]) == [len(costs[target]) for target in order]
    assert list(table["mean_loss"]) == pytest.approx([np.mean(costs[target]) for target in order], rel=1e-5)
    assert list(table["share_of_loss"]) == pytest.approx(
        [math.fsum(costs[target]) / total for target in order], rel=1e-5
    )
    assert table["share_of_loss"].sum() == pytest.approx(1, rel=1e-9)
    assert "LATIN SMALL LETTER E WITH ACUTE" in list(table["name"])


def test_the_costliest_are_twenty_at_most_and_padding_has_a_name() -> None:
    characters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = Vocabulary(characters, (1,) * 26, tuple(range(26)))
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), vocabulary.size)
    with torch.no_grad():
        model.decoder.bias[vocabulary.padding_id] = -50
    padded = Streams(np.arange(26, dtype=np.uint8), 2, 5, CPU, padding_id=vocabulary.padding_id)
    table = evaluate(model, padded, vocabulary).costliest
    assert len(table) == 20
    assert (table["character"][0], table["name"][0], table["count"][0]) == ("(padding)", "PADDING", 1)


def test_a_model_that_is_always_certain_and_right_costs_nothing() -> None:
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), VOCABULARY.size)
    with torch.no_grad():
        model.decoder.bias[2] = 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = evaluate(model, Streams(np.full(50, 2, dtype=np.uint8), 2, 10, CPU), VOCABULARY)
    assert (report.loss, report.accuracy, report.perplexity) == (0, 1, 1)
    assert list(report.costliest["share_of_loss"]) == [0]


def test_a_lost_model_has_infinite_perplexity_and_no_error(streams: Streams) -> None:
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), VOCABULARY.size)
    with torch.no_grad():
        model.decoder.bias[VOCABULARY.padding_id] = 1e6
    assert evaluate(model, streams, VOCABULARY).perplexity == math.inf


@pytest.mark.parametrize("training", [True, False])
def test_looking_at_a_model_changes_nothing(training: bool, model: CharRNN, streams: Streams) -> None:
    model.train(training)
    torch.manual_seed(7)
    random, weights = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    first = mean_loss(model, streams)
    evaluate(model, streams, VOCABULARY)
    probe_loss(model, streams, 2)
    assert mean_loss(model, streams) == first
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(module.training == training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_between_two_windows_the_model_is_in_the_mode_it_was_in(model: CharRNN, streams: Streams) -> None:
    windows = window_losses(model, streams)
    next(windows)
    assert model.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
