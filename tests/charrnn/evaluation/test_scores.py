import math
import warnings
from collections import defaultdict

import numpy as np
import pytest
import torch

from charrnn.config.schema import ModelParams
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary
from charrnn.evaluation.losses import mean_loss
from charrnn.evaluation.metrics import METRICS
from charrnn.evaluation.scores import evaluate
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, VOCABULARY, naive


def test_the_loss_is_that_of_reading_each_stream_character_by_character(model: CharRNN, streams: Streams) -> None:
    losses = [loss for stream in naive(model) for _, loss, _ in stream]
    assert evaluate(model, streams, VOCABULARY).loss == pytest.approx(math.fsum(losses) / 222, rel=1e-5)


def test_accuracy_is_the_share_of_characters_that_were_the_likeliest(model: CharRNN, streams: Streams) -> None:
    hits = sum(hit for stream in naive(model) for _, _, hit in stream)
    scores = evaluate(model, streams, VOCABULARY)
    assert 0 < hits < 222
    assert scores.metrics["accuracy"] == hits / 222
    assert scores.characters == 222


def test_bits_and_perplexity_are_the_loss_in_other_units(model: CharRNN, streams: Streams) -> None:
    metrics = evaluate(model, streams, VOCABULARY).metrics
    assert metrics["bits_per_char"] == pytest.approx(math.log2(math.exp(metrics["loss"])), rel=1e-12)
    assert metrics["perplexity"] == pytest.approx(2 ** metrics["bits_per_char"], rel=1e-12)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(streams: Streams) -> None:
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), VOCABULARY.size)
    torch.nn.init.zeros_(model.decoder.weight)
    torch.nn.init.zeros_(model.decoder.bias)
    assert evaluate(model, streams, VOCABULARY).metrics["perplexity"] == pytest.approx(VOCABULARY.size, rel=1e-6)


def test_positions_are_binned_by_doubling_from_the_start_of_the_streams(model: CharRNN, streams: Streams) -> None:
    table = evaluate(model, streams, VOCABULARY).loss_by_position
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
    table = evaluate(model, streams, VOCABULARY).costliest_characters
    assert list(table["character"]) == [shown.get(c, c) for c in (VOCABULARY.characters[target] for target in order)]
    assert list(table["count"]) == [len(costs[target]) for target in order]
    assert list(table["mean_loss"]) == pytest.approx([np.mean(costs[target]) for target in order], rel=1e-5)
    assert list(table["share_of_loss"]) == pytest.approx(
        [math.fsum(costs[target]) / total for target in order], rel=1e-5
    )
    assert table["share_of_loss"].sum() == pytest.approx(1, rel=1e-9)
    assert "LATIN SMALL LETTER E WITH ACUTE" in list(table["name"])


def test_the_costliest_are_twenty_at_most_and_the_stop_symbol_has_a_name() -> None:
    characters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = Vocabulary(characters, (1,) * 26, tuple(range(26)))
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), vocabulary.size)
    with torch.no_grad():
        model.decoder.bias[vocabulary.stop_id] = -50
    padded = Streams(np.arange(26, dtype=np.uint8), 2, 5, CPU, stop_id=vocabulary.stop_id)
    table = evaluate(model, padded, vocabulary).costliest_characters
    assert len(table) == 20
    assert (table["character"][0], table["name"][0], table["count"][0]) == ("(stop)", "STOP SYMBOL", 1)


def test_a_model_that_is_always_certain_and_right_costs_nothing() -> None:
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), VOCABULARY.size)
    with torch.no_grad():
        model.decoder.bias[2] = 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = evaluate(model, Streams(np.full(50, 2, dtype=np.uint8), 2, 10, CPU), VOCABULARY)
    assert [scores.metrics[key] for key in ("loss", "accuracy", "perplexity")] == [0, 1, 1]
    assert list(scores.costliest_characters["share_of_loss"]) == [0]


def test_a_lost_model_has_infinite_perplexity_and_no_error(streams: Streams) -> None:
    model = CharRNN(ModelParams(hidden_size=4, embedding_size=None), VOCABULARY.size)
    with torch.no_grad():
        model.decoder.bias[VOCABULARY.stop_id] = 1e6
    assert evaluate(model, streams, VOCABULARY).metrics["perplexity"] == math.inf


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_a_model_changes_nothing(training: bool, model: CharRNN, streams: Streams) -> None:
    model.train(training)
    torch.manual_seed(7)
    random, weights = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    first = mean_loss(model, streams)
    evaluate(model, streams, VOCABULARY)
    assert mean_loss(model, streams) == first
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(module.training == training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_a_model_has_every_metric_of_the_table_and_no_baselines_of_its_own(model: CharRNN, streams: Streams) -> None:
    scores = evaluate(model, streams, VOCABULARY)
    assert set(scores.metrics) == set(METRICS)
    assert scores.baselines == {}
