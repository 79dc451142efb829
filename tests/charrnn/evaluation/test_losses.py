import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from charrnn.data.streams import Streams
from charrnn.evaluation.losses import mean_loss, probe_loss, summed_losses, window_predictions
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS, VOCABULARY, naive


def test_the_mean_loss_is_that_of_reading_each_stream_character_by_character(model: CharRNN, streams: Streams) -> None:
    losses = [loss for stream in naive(model) for _, loss, _ in stream]
    assert len(losses) == streams.characters == 222
    assert mean_loss(model, streams) == pytest.approx(math.fsum(losses) / 222, rel=1e-5)


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


def test_the_sum_grows_by_the_losses_of_each_window(model: CharRNN, streams: Streams) -> None:
    read = naive(model)
    found = list(summed_losses(model, streams))
    assert [characters for _, characters in found] == [30, 60, 90, 120, 150, 180, 210, 222]
    for total, characters in found:
        assert total.dtype == torch.float64
        losses = [loss for stream in read for _, loss, _ in stream[: characters // 3]]
        assert float(total) == pytest.approx(math.fsum(losses), rel=1e-5)


@pytest.mark.parametrize(("window", "first", "last"), [(1, 0, 10), (5, 40, 50), (8, 70, 74)])
def test_the_probe_sums_over_the_steps_of_its_window(
    window: int, first: int, last: int, model: CharRNN, streams: Streams
) -> None:
    expected = math.fsum(loss for stream in naive(model) for _, loss, _ in stream[first:last]) / 3
    assert probe_loss(model, streams, window) == pytest.approx(expected, rel=1e-5)


def test_a_window_has_its_losses_with_the_logits_and_targets_they_come_from(model: CharRNN, streams: Streams) -> None:
    found = list(window_predictions(model, streams))
    assert found[0].losses.shape == found[0].targets.shape == (30,)
    assert found[0].logits.shape == (30, VOCABULARY.size)
    assert found[0].losses.dtype == found[0].logits.dtype == torch.float32
    assert found[0].targets.dtype == torch.int64
    losses, logits, targets = (
        torch.cat([getattr(window, name) for window in found]) for name in ("losses", "logits", "targets")
    )
    torch.testing.assert_close(F.cross_entropy(logits, targets), losses.mean())
    places, contexts = (np.concatenate([getattr(w, name) for w in found]) for name in ("places", "contexts"))
    assert targets.tolist() == IDS[places].tolist()
    assert ((places - 1) % streams.stream_length).tolist() == contexts.tolist()
    # Step by step: the streams side by side.
    losses, targets = losses.view(-1, 3), targets.view(-1, 3)
    hits = (logits.argmax(-1).view(-1, 3)) == targets
    for number, stream in enumerate(naive(model)):
        assert targets[:, number].tolist() == [target for target, _, _ in stream]
        assert hits[:, number].tolist() == [hit for _, _, hit in stream]
        assert losses[:, number].tolist() == pytest.approx([loss for _, loss, _ in stream], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_reading_a_split_changes_nothing(training: bool, model: CharRNN, streams: Streams) -> None:
    model.train(training)
    torch.manual_seed(7)
    random, weights = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    first = mean_loss(model, streams)
    probe_loss(model, streams, 2)
    assert mean_loss(model, streams) == first
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(module.training == training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_between_two_windows_the_model_is_in_the_mode_it_was_in(model: CharRNN, streams: Streams) -> None:
    windows = window_predictions(model, streams)
    next(windows)
    assert model.training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
