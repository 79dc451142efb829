import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from charrnn.config.loading import load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import Params
from charrnn.data.pieces import Pieces
from charrnn.data.streams import Streams
from charrnn.data.vocabulary import Vocabulary
from charrnn.data.windows import IGNORED, Window, Windows
from charrnn.errors import DivergedError, ParamsError
from charrnn.evaluation.scores import evaluate
from charrnn.generation.sampling import sample
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN, State
from charrnn.training.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from charrnn.training.events import CheckpointDue, Evaluation, Steps, TrainEvent
from charrnn.training.loop import train
from charrnn.training.schedules import learning_rate
from charrnn.training.state import TrainState, new_state
from tests.processor import needs_bfloat16

VOCABULARY = Vocabulary("abcdefgh", (1,) * 8, tuple(range(8)))
IDS = np.random.default_rng(0).integers(0, 8, 403).astype(np.uint8)
CPU = torch.device("cpu")


def params_for(cell: str, optimizer: str, schedule: str) -> Params:
    texts = [f"model.cell={cell}", f"training.optimizer={optimizer}", f"training.schedule={schedule}"]
    texts += ["model.hidden_size=6", "model.num_layers=2", "model.embedding_size=4", "model.dropout=0.2"]
    texts += ["training.seq_length=10", "training.batch_size=4", "training.max_steps=25", "training.max_minutes=null"]
    texts += ["training.log_every=3", "training.patience=20", "evaluation.every_steps=5", "checkpoint.every_steps=7"]
    return load_params([], [*texts, "evaluation.every_seconds=null", "checkpoint.every_seconds=null"])


def start(params: Params) -> tuple[TrainState, Streams, Streams]:
    streams, val = Streams(IDS[:300], 4, 10, CPU), Streams(IDS[300:], 2, 10, CPU)
    return new_state(params.model, params.training, VOCABULARY.size, 4, CPU), streams, val


def figures(events: list[TrainEvent]) -> tuple[list[float], list[tuple[int, float | None]]]:
    losses = [loss for event in events if isinstance(event, Steps) for loss in event.losses]
    return losses, [(event.step, event.loss) for event in events if isinstance(event, Evaluation)]


def often(params: Params) -> Params:
    """Report, evaluate and save after every step."""
    return changed(params, "training.log_every=1", "evaluation.every_steps=1", "checkpoint.every_steps=1")


def changed(params: Params, *overrides: str) -> Params:
    return load_params([], overrides, base=params)


def still(*overrides: str) -> Params:
    """One LSTM that does not learn: no optimizer step is large enough to change a weight."""
    texts = ["model.num_layers=1", "model.dropout=0", "training.patience=null", "training.learning_rate=1e-30"]
    texts.append("training.precision=float32")  # sums are compared
    return changed(params_for("lstm", "adam", "constant"), *texts, *overrides)


def steps(events: Iterable[TrainEvent]) -> list[Steps]:
    return [event for event in events if isinstance(event, Steps)]


def evaluations(events: Iterable[TrainEvent]) -> list[Evaluation]:
    return [event for event in events if isinstance(event, Evaluation)]


def checkpoints(events: Iterable[TrainEvent]) -> list[CheckpointDue]:
    return [event for event in events if isinstance(event, CheckpointDue)]


def read(model: CharRNN, streams: Streams, windows: int) -> tuple[list[float], State]:
    """Read the streams' first windows as one: the mean loss of each window, and the state after them."""
    pieces = [streams.window(index) for index in range(windows)]
    with torch.no_grad():
        logits, state = model(torch.cat([piece.inputs for piece in pieces]), model.initial_state(streams.batch_size))
    losses, start = [], 0
    for targets in (piece.targets for piece in pieces):
        piece = logits[start : start + len(targets)]
        losses.append(float(F.cross_entropy(piece.flatten(0, 1), targets.flatten())))
        start += len(targets)
    return losses, state


@pytest.mark.parametrize("stop_after", [1, 4, 8, 11])
@pytest.mark.parametrize(
    ("cell", "optimizer", "schedule"),
    [("lstm", "adam", "cosine"), ("gru", "sgd", "plateau"), ("rnn", "rmsprop", "step"), ("lstm", "adamw", "constant")],
)
def test_resuming_gives_the_same_curve_and_weights(
    cell: str, optimizer: str, schedule: str, stop_after: int, tmp_path: Path
) -> None:
    params = params_for(cell, optimizer, schedule)
    whole, streams, val = start(params)
    expected = list(train(whole, streams, val, params))

    stopped, streams, val = start(params)
    events = list(islice(train(stopped, streams, val, params), stop_after))
    save_checkpoint(tmp_path / "x", checkpoint_of(stopped, params, VOCABULARY, "key", "run"))
    torch.manual_seed(12345)
    resumed, streams, val = start(params)
    resumed.load_dict(load_checkpoint(tmp_path / "x").state)
    events += train(resumed, streams, val, params)

    assert figures(events) == figures(expected)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)
        assert torch.equal(resumed.best_model.state_dict()[name], whole.best_model.state_dict()[name])


# Documents of 1 to 25 characters, up to three windows of 10 each; an epoch of 30 of them is about 15 windows.
ENDS = np.cumsum(np.random.default_rng(1).integers(1, 26, 40) + 1) + 1
STARTS = np.concatenate([[0], ENDS[:-1] - 1])
DOCUMENTS = np.random.default_rng(2).integers(0, VOCABULARY.stop_id, ENDS[-1]).astype(np.uint8)
DOCUMENTS[[0, *ENDS - 1]] = VOCABULARY.stop_id


def start_on_documents(params: Params) -> tuple[TrainState, Windows, Windows]:
    streams = Pieces(DOCUMENTS, STARTS[:30], ENDS[:30], 4, 10, CPU, seed=params.training.seed)
    val = Pieces(DOCUMENTS, STARTS[30:], ENDS[30:], 4, 10, CPU)
    return new_state(params.model, params.training, VOCABULARY.size, 4, CPU), streams, val


@pytest.mark.parametrize("stop_after", [1, 4, 8, 11, 16])
def test_a_training_on_documents_resumes_in_the_middle_of_an_epoch_bit_for_bit(stop_after: int, tmp_path: Path) -> None:
    params = changed(params_for("lstm", "adam", "cosine"), "training.max_steps=40")
    whole, streams, val = start_on_documents(params)
    assert 10 < streams.num_windows < 20
    expected = list(train(whole, streams, val, params))

    stopped, streams, val = start_on_documents(params)
    events = list(islice(train(stopped, streams, val, params), stop_after))
    save_checkpoint(tmp_path / "x", checkpoint_of(stopped, params, VOCABULARY, "key", "run"))
    resumed, streams, val = start_on_documents(params)
    resumed.load_dict(load_checkpoint(tmp_path / "x").state)
    events += train(resumed, streams, val, params)

    assert figures(events) == figures(expected)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor)


def test_the_order_of_documents_is_another_in_each_epoch() -> None:
    params = changed(params_for("lstm", "adam", "cosine"), "training.max_steps=1")
    _, streams, _ = start_on_documents(params)
    begins = [[streams.window(index, epoch).begins.tolist() for index in range(3)] for epoch in range(3)]
    assert begins[0] != begins[1] != begins[2] != begins[0]


class Watched(Pieces):
    """Pieces that note which epochs are asked of each of their copies."""

    asked: ClassVar[dict[int, list[int]]]

    def window(self, index: int, epoch: int = 0) -> Window:
        self.asked.setdefault(id(self), []).append(epoch)
        return super().window(index, epoch)


@pytest.mark.parametrize("probe", ["null", "2"])
def test_evaluations_in_a_later_epoch_do_not_deal_its_documents_out_again(probe: str) -> None:
    Watched.asked = {}
    params = changed(params_for("lstm", "adam", "cosine"), "training.max_steps=40", "evaluation.every_steps=3")
    params = changed(params, f"evaluation.probe_window={probe}")
    state, _, _ = start_on_documents(params)
    list(train(state, Watched(DOCUMENTS, STARTS[:30], ENDS[:30], 4, 10, CPU), None, params))
    # An epoch that is left is not asked for again.
    assert all(epochs == sorted(epochs) for epochs in Watched.asked.values())
    assert max(max(epochs) for epochs in Watched.asked.values()) == 2


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "min_gru"])
def test_the_training_loss_of_documents_is_that_of_each_alone(cell: str) -> None:
    params = changed(params_for(cell, "sgd", "constant"), "training.max_steps=12", "training.log_every=1")
    params = changed(params, "model.dropout=0", "training.learning_rate=1.0e-12", "training.precision=float32")
    state, streams, _ = start_on_documents(params)
    losses, _ = figures(list(train(state, streams, None, params)))
    for index, loss in enumerate(losses):
        window, expected = streams.window(index), []
        for number, (offset, begin) in enumerate(zip(window.offsets, window.begins, strict=True)):
            # Read the document from its beginning, with nothing before it, up to the end of this window.
            ids = torch.from_numpy(DOCUMENTS[begin - offset : begin + len(window.inputs)].astype(np.int64))
            with torch.no_grad():
                logits, _ = state.model(ids[:, None], state.model.initial_state(1))
            kept = window.targets[:, number] != IGNORED
            found = F.cross_entropy(logits[offset:, 0], window.targets[:, number].clamp(min=0), reduction="none")
            expected += found[kept].tolist()
        assert loss == pytest.approx(np.mean(expected), abs=1e-5)


def test_watching_does_not_change_the_curve(tmp_path: Path) -> None:
    params = params_for("lstm", "adam", "cosine")
    whole, streams, val = start(params)
    expected, _ = figures(list(train(whole, streams, val, params)))

    watched, streams, val = start(params)
    seen: list[TrainEvent] = []
    for event in train(watched, streams, val, often(params)):
        seen.append(event)
        sample(watched.best_model, VOCABULARY, SamplingOptions(length=5))
        sample(watched.model, VOCABULARY, SamplingOptions(length=5, seed=2))
        evaluate(watched.model, val, VOCABULARY)
        save_checkpoint(tmp_path / "x", checkpoint_of(watched, params, VOCABULARY, "", ""))
        load_checkpoint(tmp_path / "x").model()
    assert figures(seen)[0] == expected
    assert len(evaluations(seen)) == len(checkpoints(seen)) == 25
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(watched.model.state_dict()[name], tensor)


@pytest.mark.parametrize("log_every", [1, 4, 100])
def test_every_step_is_reported_once_whatever_log_every_is(log_every: int) -> None:
    params = changed(params_for("gru", "adam", "cosine"), f"training.log_every={log_every}")
    events = steps(train(*start(params), params))
    assert [step for event in events for step in range(event.first_step, event.last_step + 1)] == list(range(1, 26))
    for event in events:
        assert len(event.losses) == len(event.grad_norms) == len(event.learning_rates) <= log_every
        assert min(event.grad_norms) > 0
        assert event.chars_per_second > 0
    assert [event.elapsed for event in events] == sorted(event.elapsed for event in events)


@pytest.mark.parametrize("log_every", [1, 4, 100])
def test_the_characters_of_all_steps_are_counted(log_every: int) -> None:
    params = changed(params_for("gru", "adam", "cosine"), f"training.log_every={log_every}")
    state, streams, val = start(params)
    epoch = [streams.window(index).characters for index in range(8)]
    for event in train(state, streams, val, params):
        assert state.progress.characters == sum(epoch[number % 8] for number in range(state.progress.step))
        if isinstance(event, Steps):
            assert event.characters == state.progress.characters


def test_epoch_and_progress_say_how_far_training_is() -> None:
    params = often(params_for("lstm", "adam", "cosine"))
    state, streams, val = start(params)
    for event in steps(train(state, streams, val, params)):
        assert event.epoch == pytest.approx(event.last_step / streams.num_windows, rel=1e-12)
        assert event.progress == pytest.approx(event.last_step / 25, rel=1e-12)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.max_steps=7"], 7),
        (["training.epochs=2"], 16),
        (["training.epochs=2", "training.max_steps=7"], 7),
        (["training.epochs=2", "training.max_steps=70"], 16),
        (["training.max_minutes=1e-9"], 1),
        (["training.epochs=2", "training.max_minutes=1e-9"], 1),
        (["training.patience=3"], 4),
        (["training.patience=3", "training.epochs=2"], 4),
        (["training.patience=30", "training.epochs=2"], 16),
    ],
)
def test_training_ends_at_the_first_limit_with_an_evaluation_and_a_checkpoint(
    overrides: list[str], expected: int
) -> None:
    texts = ["training.max_steps=null", "training.epochs=null", "training.max_minutes=null", *overrides]
    params = still(*texts, "evaluation.every_steps=1")
    state, streams, val = start(params)
    assert streams.num_windows == 8
    events = list(train(state, streams, val, params))
    assert [type(event) for event in events[-2:]] == [Evaluation, CheckpointDue]
    assert {event.step for event in events[-2:] if not isinstance(event, Steps)} == {expected}
    assert steps(events)[-1].last_step == state.progress.step == expected
    assert list(train(state, streams, val, params)) == []


@pytest.mark.parametrize(("share", "expected"), [(1.0, 23), (0.25, 9), (0.001, 2)])
def test_evaluations_by_time_take_no_more_than_their_share(
    monkeypatch: pytest.MonkeyPatch, share: float, expected: int
) -> None:
    """Here everything reported takes a second: each of 24 steps, and each evaluation."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1e-6
        return now

    monkeypatch.setattr("charrnn.training.loop.time.monotonic", clock)
    limits = ["evaluation.every_steps=null", "evaluation.every_seconds=0.5", f"evaluation.max_share={share}"]
    params = still(*limits, "training.max_steps=24", "training.log_every=1", "checkpoint.every_steps=null")
    state, streams, val = start(params)
    found = []
    for event in train(state, streams, val, params):
        now += 1.0
        found.append(event)
    assert len(evaluations(found)) == expected
    assert evaluations(found)[-1].step == 24, "the last evaluation comes in any case"
    # Each evaluation but the last takes its second only when that keeps all before it within the share.
    for done, event in enumerate(evaluations(found)[:-1]):
        assert done <= share * event.elapsed


def test_a_state_saved_at_an_evaluation_has_the_time_that_it_took() -> None:
    params = still("evaluation.every_steps=5")
    state, streams, val = start(params)
    times = [state.progress.evaluation_seconds for event in train(state, streams, val, params) if evaluations([event])]
    assert 0 < times[0] < times[-1] <= state.progress.evaluation_seconds
    assert times == sorted(times)


def test_the_best_evaluation_is_the_lowest_so_far() -> None:
    params = often(changed(params_for("lstm", "adam", "constant"), "training.learning_rate=0.1"))
    state, streams, val = start(params)
    best, best_step, unimproved = math.inf, None, 0
    for event in evaluations(train(state, streams, val, params)):
        assert event.loss is not None
        assert event.improved == (event.loss < best)
        unimproved += not event.improved
        if event.loss < best:
            best, best_step = event.loss, event.step
    assert 0 < unimproved < 24
    assert (state.progress.best_loss, state.progress.best_step) == (best, best_step)


def test_without_a_validation_split_the_latest_is_the_best() -> None:
    params = changed(params_for("lstm", "adam", "constant"), "training.patience=null")
    state, streams, _ = start(params)
    events = evaluations(train(state, streams, None, params))
    assert [(event.step, event.loss, event.improved) for event in events] == [(n, None, True) for n in range(5, 26, 5)]
    assert (state.progress.best_loss, state.progress.best_step) == (None, 25)


def test_patience_counts_evaluations_since_the_best() -> None:
    params = often(changed(params_for("lstm", "adam", "constant"), "training.learning_rate=0.3"))
    params = changed(params, "training.patience=4", "training.max_steps=500", "training.ema_decay=null")
    state, streams, val = start(params)
    improved = [event.improved for event in evaluations(train(state, streams, val, params))]
    assert len(improved) < 500
    assert improved[-5:] == [True, False, False, False, False]
    assert "FFFF" not in "".join("FT"[value] for value in improved[:-1])


def test_plateau_decays_when_the_validation_loss_has_stood_still() -> None:
    params = still("training.schedule=plateau", "training.decay_patience=2", "training.decay_factor=0.25")
    params = changed(often(params), "training.max_steps=9")
    rates = [rate for event in steps(train(*start(params), params)) for rate in event.learning_rates]
    # The first evaluation is the best; then every second one decays.
    assert rates == [1e-30 * 0.25**decays for decays in (0, 0, 0, 1, 1, 2, 2, 3, 3)]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_rates_follow_the_schedule(schedule: str) -> None:
    params = changed(params_for("lstm", "sgd", schedule), "training.warmup_steps=3", "training.decay_epochs=0.5")
    rates = [rate for event in steps(train(*start(params), params)) for rate in event.learning_rates]
    assert rates == [learning_rate(params.training, step=n, progress=n / 25, epoch=n / 8, decays=0) for n in range(25)]
    assert len(set(rates)) == {"constant": 3, "cosine": 25, "step": 9}[schedule]


def test_checkpoints_come_every_so_many_steps_and_some_are_kept_for_good() -> None:
    params = changed(params_for("lstm", "adam", "constant"), "checkpoint.keep_every_steps=5")
    found = checkpoints(train(*start(params), params))
    assert [(event.step, event.keep) for event in found] == [
        (5, True), (7, False), (10, True), (14, False), (15, True), (20, True), (21, False), (25, True)
    ]  # fmt: skip


def test_the_probe_is_the_loss_on_its_window_summed_over_its_steps() -> None:
    params = changed(params_for("lstm", "adam", "constant"), "evaluation.probe_window=3")
    state, streams, val = start(params)
    found = []
    for event in train(state, streams, val, params):
        if isinstance(event, Evaluation):
            state.best_model.eval()
            found.append((event.probe_loss, pytest.approx(10 * read(state.best_model, streams, 3)[0][2], rel=1e-5)))
    assert len(found) == 5
    assert all(probe == expected for probe, expected in found)


def test_a_probe_window_beyond_the_text_is_refused_before_training() -> None:
    params = changed(params_for("lstm", "adam", "constant"), "evaluation.probe_window=9")
    state, streams, val = start(params)
    with pytest.raises(ParamsError, match=r"evaluation\.probe_window: must be <= 8, .*, got 9"):
        next(train(state, streams, val, params))
    assert state.progress.step == 0


def test_summing_the_loss_scales_its_gradient_by_the_length_of_the_window() -> None:
    mean, total = still("training.loss_reduction=mean"), still("training.loss_reduction=sum")
    (means, totals) = (steps(train(*start(params), params)) for params in (mean, total))
    lengths = [10, 10, 10, 10, 10, 10, 10, 4]
    for position, (one, other) in enumerate(zip(means, totals, strict=True)):
        assert one.losses == other.losses, "what is reported stays the mean"
        scales = [lengths[(step - 1) % 8] for step in range(one.first_step, one.last_step + 1)]
        expected = [norm * scale for norm, scale in zip(one.grad_norms, scales, strict=True)]
        assert list(other.grad_norms) == pytest.approx(expected, rel=1e-5), position


def test_label_smoothing_changes_the_gradient_and_not_the_loss_that_is_reported() -> None:
    plain, smoothed = still(), still("training.label_smoothing=0.3")
    state, streams, val = start(smoothed)
    found = steps(train(state, streams, val, smoothed))
    expected = steps(train(*start(plain), plain))
    assert [event.losses for event in found] == [event.losses for event in expected], "no step changes a weight"
    window = streams.window(0)
    inputs, targets = window.inputs, window.targets
    logits, _ = state.model.train()(inputs, state.model.initial_state(4))
    log_probabilities = logits.log_softmax(-1)
    nll = -log_probabilities.gather(-1, targets[..., None]).mean()
    loss = 0.7 * nll - 0.3 * log_probabilities.mean()
    gradient = torch.autograd.grad(loss, list(state.model.parameters()))
    norm = torch.cat([part.flatten() for part in gradient]).norm()
    assert found[0].losses[0] == pytest.approx(nll.item(), rel=1e-6)
    assert found[0].grad_norms[0] == pytest.approx(float(norm), rel=1e-5)
    assert found[0].grad_norms != expected[0].grad_norms


@pytest.mark.parametrize("grad_clip", ["null", "1e9", "0.01"])
def test_a_long_gradient_is_scaled_down_to_the_limit(grad_clip: str) -> None:
    params = changed(params_for("lstm", "sgd", "constant"), f"training.grad_clip={grad_clip}", "training.max_steps=1")
    state, streams, val = start(params)
    before = torch.nn.utils.parameters_to_vector(state.model.parameters()).detach()
    (event,) = steps(train(state, streams, val, params))
    moved = torch.nn.utils.parameters_to_vector(state.model.parameters()).detach() - before
    assert event.grad_norms[0] > 0.01, "reported before it is clipped"
    expected = min(event.grad_norms[0], 0.01) if grad_clip == "0.01" else event.grad_norms[0]
    assert float(moved.norm()) == pytest.approx(event.learning_rates[0] * expected, rel=1e-3)


def test_the_average_is_that_of_its_definition() -> None:
    params = often(changed(params_for("lstm", "adam", "constant"), "training.ema_decay=0.7"))
    state, streams, val = start(params)
    vector = torch.nn.utils.parameters_to_vector
    average = vector(state.model.parameters()).detach()
    for event in train(state, streams, val, params):
        if not isinstance(event, Steps):
            continue
        # Less of the past in the first steps.
        decay = min(0.7, event.last_step / (event.last_step + 9))
        average = decay * average + (1 - decay) * vector(state.model.parameters()).detach()
        torch.testing.assert_close(vector(state.best_model.parameters()), average, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(average, vector(state.model.parameters()), rtol=1e-3)


def test_what_is_evaluated_is_the_average_on_the_first_windows_of_every_stream() -> None:
    params = changed(params_for("lstm", "adam", "constant"), "evaluation.max_characters=47")
    state, streams, val = start(params)
    for event in train(state, streams, val, params):
        if isinstance(event, Evaluation):
            state.best_model.eval()
            assert event.loss == pytest.approx(sum(read(state.best_model, val, 2)[0]) / 2, rel=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_hidden_state_is_carried_over_and_starts_anew_with_each_epoch(cell: str) -> None:
    params = often(still("training.epochs=2", "training.max_steps=null", f"model.cell={cell}"))
    state, streams, val = start(params)
    expected, _ = read(state.model, streams, 8)
    losses: list[float] = []
    for event in train(state, streams, val, params):
        if not isinstance(event, Steps):
            continue
        losses += event.losses
        windows = event.last_step % 8
        if windows:
            torch.testing.assert_close(state.hidden, read(state.model, streams, windows)[1])
        else:
            assert not any(tensor.any() for tensor in state.hidden)
        assert not any(tensor.requires_grad for tensor in state.hidden)
        assert (state.progress.epoch, state.progress.window) == divmod(event.last_step, 8)
    assert losses == pytest.approx(expected * 2, rel=1e-5)


def test_a_padded_text_is_trained_on_to_its_last_character() -> None:
    ids = IDS[:287]
    streams = Streams(ids, 4, 10, CPU, stop_id=VOCABULARY.stop_id)
    params = still("training.epochs=1", "training.max_steps=null")
    state = new_state(params.model, params.training, VOCABULARY.size, 4, CPU)
    losses, _ = figures(list(train(state, streams, None, params)))
    assert streams.dropped == 0
    targets = torch.cat([streams.window(index).targets for index in range(streams.num_windows)]).t().flatten()
    assert targets.tolist() == [*ids[1:].tolist(), *[VOCABULARY.stop_id] * 2]
    assert losses == pytest.approx(read(state.model, streams, streams.num_windows)[0], rel=1e-5)


def spoil(model: CharRNN, events: Iterator[TrainEvent], after: int) -> None:
    """Let training go on until step `after`, then make a weight NaN."""
    while steps([next(events)])[0].last_step < after:
        pass
    with torch.no_grad():
        model.decoder.bias[0] = torch.nan


@pytest.mark.parametrize("log_every", [1, 3])
def test_a_loss_that_is_not_finite_is_reported_with_its_step(log_every: int) -> None:
    params = changed(params_for("lstm", "adam", "constant"), f"training.log_every={log_every}")
    params = changed(params, "evaluation.every_steps=null", "checkpoint.every_steps=null", "training.patience=null")
    state, streams, val = start(params)
    events = train(state, streams, val, params)
    spoil(state.model, events, after=6)
    with pytest.raises(DivergedError, match=r"at step 7: .*training\.learning_rate") as caught:
        list(events)
    assert "\n" not in str(caught.value)


def test_a_validation_loss_that_is_not_finite_is_not_the_best() -> None:
    params = changed(params_for("lstm", "adam", "constant"), "training.log_every=1", "checkpoint.every_steps=null")
    state, streams, val = start(params)
    events = train(state, streams, val, params)
    spoil(state.best_model, events, after=5)
    with pytest.raises(DivergedError, match="at step 5: validation loss nan") as caught:
        list(events)
    assert caught.value.step == 6
    assert (state.progress.best_loss, state.progress.evaluated_step) == (None, 0)


@needs_bfloat16
@pytest.mark.parametrize("cell", CELLS)
def test_in_bfloat16_training_learns_and_going_on_gives_the_same_curve(cell: str) -> None:
    params = changed(params_for(cell, "adam", "constant"), "training.precision=bfloat16", "model.dropout=0")
    params = changed(params, "training.learning_rate=0.05", "training.max_steps=60", "training.patience=null")
    ids = np.tile(np.arange(8, dtype=np.uint8), 40)
    streams = Streams(ids, 4, 10, CPU)

    def fresh() -> TrainState:
        return new_state(params.model, params.training, VOCABULARY.size, 4, CPU)

    expected = figures(list(train(fresh(), streams, None, params)))[0]
    assert expected[-1] < expected[0] / 2
    stopped = fresh()
    events = list(islice(train(stopped, streams, None, params), 9))
    resumed = fresh()
    resumed.load_dict(stopped.to_dict())
    events += train(resumed, streams, None, params)
    assert figures(events)[0] == expected


@needs_bfloat16
@pytest.mark.parametrize("cell", CELLS)
def test_a_training_in_bfloat16_goes_on_where_there_is_only_float32_and_back(cell: str) -> None:
    half = changed(params_for(cell, "adam", "constant"), "training.precision=bfloat16", "training.patience=null")
    state, streams, _ = start(half)
    for precision, until in (("bfloat16", 9), ("float32", 15), ("bfloat16", 21)):
        here = changed(half, f"training.precision={precision}", f"training.max_steps={until}")
        resumed = new_state(here.model, here.training, VOCABULARY.size, 4, CPU)
        resumed.load_dict(state.to_dict())
        losses, _ = figures(list(train(resumed, streams, None, here)))
        assert resumed.progress.step == until
        assert all(map(math.isfinite, losses))
        state = resumed


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("probability", [0.0, 0.25])
def test_streams_begin_a_window_from_the_zero_state_with_the_probability_asked_for(
    cell: str, probability: float
) -> None:
    params = changed(still(f"model.cell={cell}", "model.num_layers=2", "training.max_steps=300"))
    params = changed(params, f"training.restart_probability={probability}")
    state, streams, _ = start(params)
    begun: list[torch.Tensor] = []
    ended: list[torch.Tensor] = []
    # All tensors of all layers, one after the other: (tensors * num_layers, batch_size, hidden_size).
    state.model.register_forward_pre_hook(lambda _, args: begun.append(torch.cat(args[1])))
    state.model.register_forward_hook(lambda _, args, outputs: ended.append(torch.cat(outputs[1]).detach()))
    list(train(state, streams, None, params))
    carried = [number for number in range(1, 300) if number % streams.num_windows]
    restarts = 0
    for number in carried:
        zero = (begun[number] == 0).all(2).all(0)
        assert torch.equal(begun[number][:, ~zero], ended[number - 1][:, ~zero])
        restarts += int(zero.sum())
    assert restarts / (len(carried) * streams.batch_size) == pytest.approx(probability, abs=0.05 if probability else 0)
