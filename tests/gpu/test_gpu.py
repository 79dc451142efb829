"""What must hold on a GPU, and on a CPU where it can: what `make bench-gpu` reports on it, too."""

from pathlib import Path

import pytest
import torch

from benchmarks.gpu import checks, speed
from benchmarks.gpu.setting import Setting, Shape, fresh_state, losses, params_for, setting, whole_windows
from charrnn.errors import DeviceError
from charrnn.training.device import computing
from charrnn.training.graphs import GraphedSteps, computation_for
from tests.texts import made_up_play

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA GPU on this machine")
# Its layers have nothing between them, and are one call of cuDNN, unless there is dropout.
SHAPE = Shape(layers=2, hidden_size=32, batch_size=8, seq_length=16)


def on(device: str, folder: Path) -> Setting:
    text = folder / "a play.txt"
    text.write_text(made_up_play(100_000), encoding="utf-8")
    return setting(torch.device(device), text, quick=True)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=needs_gpu)])
def somewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Setting:
    return on(request.param, tmp_path)


@pytest.fixture
def gpu(tmp_path: Path) -> Setting:
    return on("cuda", tmp_path)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_loop_learns_what_a_bare_loop_of_the_same_weights_does(somewhere: Setting, layers: int) -> None:
    found = checks.same_losses_as_bare(somewhere, Shape(layers, 32, 8, 16), "float32")
    assert found["steps"] == checks.STEPS
    first, last = found["first and last loss"]
    assert last < first
    assert found["largest difference"] <= 1e-5


def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_bits(somewhere: Setting) -> None:
    found = checks.exact_resume(somewhere, SHAPE)
    assert {name: value for name, value in found.items() if name.startswith("different")} == {
        "different after a repetition": [],
        "different after a resume": [],
        "different after another resume": [],
    }


def test_a_checkpoint_goes_to_the_cpu_and_back_unchanged(somewhere: Setting) -> None:
    found = checks.travelling_checkpoint(somewhere, SHAPE)
    assert found["changed by travelling"] == []
    for here, there in found["losses of the same weights"]:
        assert here == pytest.approx(there, abs=2e-3)
    assert len(found["losses"]) == 3


def test_a_shape_of_which_the_text_has_no_window_is_told_with_what_it_needs(somewhere: Setting) -> None:
    with pytest.raises(Exception, match=r"1x32 B1024 T128 needs 131,073 characters to train on"):
        speed.measure(somewhere, Shape(1, 32, 1024, 128), "float32", None)


@needs_gpu
def test_graphs_are_used_and_compute_the_same_bits(gpu: Setting) -> None:
    params = params_for(SHAPE, "training.device=cuda")
    streams = whole_windows(gpu, SHAPE)
    assert isinstance(computation_for(fresh_state(gpu, params, streams), streams, params.training), GraphedSteps)
    assert checks.same_with_graphs(gpu, SHAPE) == {"steps": checks.STEPS, "equal losses": True, "equal bits": True}


@needs_gpu
def test_a_captured_step_is_replayed(gpu: Setting, caplog: pytest.LogCaptureFixture) -> None:
    params = params_for(SHAPE, "training.device=cuda", "training.log_every=8")
    streams = whole_windows(gpu, SHAPE)
    with computing(params.training):
        losses(fresh_state(gpu, params, streams), streams, params, 16)
    assert not caplog.messages, "a capture that fails is warned of"


@needs_gpu
def test_the_processor_waits_for_the_gpu_once_a_report_at_most(gpu: Setting) -> None:
    for name, found in checks.synchronisations(gpu, SHAPE).items():
        assert found["waits"] <= found["reports"], (name, found)


@needs_gpu
@pytest.mark.parametrize(("precision", "difference"), [("float32", 1e-4), ("tf32", 0.05), ("auto", 0.05)])
def test_precisions_learn_alike(gpu: Setting, precision: str, difference: float) -> None:
    cpu = Setting(torch.device("cpu"), gpu.vocabulary, gpu.ids, gpu.held_out, gpu.sha256, gpu.quick)
    ends = []
    for place, arithmetic in ((cpu, "float32"), (gpu, precision)):
        params = params_for(SHAPE, f"training.device={place.device.type}", f"training.precision={arithmetic}")
        streams = whole_windows(place, SHAPE)
        with computing(params.training):
            ends.append(losses(fresh_state(place, params, streams), streams, params, 50)[-1])
    assert ends[1] == pytest.approx(ends[0], abs=difference)


@needs_gpu
def test_a_model_that_does_not_fit_is_told_in_one_line(gpu: Setting) -> None:
    shape = Shape(layers=1, hidden_size=400_000, batch_size=8, seq_length=16)
    params = params_for(shape, "training.device=cuda")
    streams = whole_windows(gpu, SHAPE)
    too_much = pytest.raises(DeviceError, match=r"out of memory: lower training\.batch_size")
    with too_much as caught, computing(params.training), torch.device("cuda"):
        fresh_state(gpu, params, streams)
    assert "\n" not in str(caught.value)
