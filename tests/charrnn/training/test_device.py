import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from subprocess import PIPE

import pytest
import torch
import torch.backends.cudnn.rnn

from charrnn.config.schema import TrainingParams
from charrnn.errors import DeviceError
from charrnn.training import device
from charrnn.training.device import (
    CUBLAS_VARIABLE,
    CUBLAS_WORKSPACE,
    THREAD_VARIABLES,
    autocast,
    check_gpus,
    choose_device,
    choose_precision,
    computing,
    describe_device,
    reading,
    threads_are_open,
)

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.fixture
def settings() -> Iterator[None]:
    """Settings unlike any that are asked for, put back whatever the test leaves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def in_force() -> tuple[int, str, str]:
    matmul, rnn = (getattr(place, "fp32_precision") for place in (torch.backends.cuda.matmul, torch.backends.cudnn.rnn))  # noqa: B009
    return torch.get_num_threads(), matmul, rnn


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_without_a_gpu_auto_is_the_cpu(device: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.device.computes_bfloat16", lambda: True)
    assert choose_device(TrainingParams(device=device, precision=precision)) == CPU


@pytest.mark.usefixtures("a_gpu")
@pytest.mark.parametrize(("device", "chosen"), [("auto", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_with_a_gpu_auto_takes_it_and_cpu_does_not(device: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CUBLAS_VARIABLE, "what it was")
    assert choose_device(TrainingParams(device=device)).type == chosen


@pytest.mark.usefixtures("a_gpu")
def test_products_on_a_gpu_are_the_same_each_time_unless_a_person_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for given, found in ((None, CUBLAS_WORKSPACE), (":16:8", ":16:8")):
        monkeypatch.setenv(CUBLAS_VARIABLE, given or "")
        if given is None:
            monkeypatch.delenv(CUBLAS_VARIABLE)
        choose_device(TrainingParams(device="cpu"))
        assert os.environ.get(CUBLAS_VARIABLE) == given
        choose_device(TrainingParams())
        assert os.environ[CUBLAS_VARIABLE] == found


@pytest.mark.usefixtures("a_gpu")
def test_several_processes_need_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_gpus(TrainingParams(processes=2), torch.device("cuda"))
    check_gpus(TrainingParams(processes=3), CPU)
    message = r"training\.processes: 3 processes on a machine with 2 GPUs, and each needs one .* training\.device cpu"
    with pytest.raises(DeviceError, match=message):
        check_gpus(TrainingParams(processes=3), torch.device("cuda"))


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"device": "cuda"}, r"training\.device: cuda was asked for, but PyTorch finds no CUDA GPU .* use auto or cpu"),
        ({"device": "cpu", "precision": "tf32"}, r"training\.precision: tf32 needs a CUDA GPU; use float32"),
        ({"device": "auto", "precision": "tf32"}, r"training\.precision: tf32 needs a CUDA GPU; use float32"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(params: dict[str, str], message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        choose_device(TrainingParams.model_validate(params))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("a_gpu")
def test_bfloat16_is_refused_on_a_gpu_which_would_compute_in_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.device.computes_bfloat16", lambda: True)
    with pytest.raises(DeviceError, match="bfloat16 is for the CPU; use tf32 on a GPU"):
        choose_device(TrainingParams(device="auto", precision="bfloat16"))
    assert choose_device(TrainingParams(device="cpu", precision="bfloat16")) == CPU


@pytest.mark.usefixtures("no_gpu")
def test_bfloat16_is_refused_on_a_processor_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.device.computes_bfloat16", lambda: False)
    with pytest.raises(DeviceError, match=r"training\.precision: bfloat16 needs a processor with AVX512; use auto"):
        choose_device(TrainingParams(precision="bfloat16"))
    assert choose_device(TrainingParams(precision="auto")) == CPU


@pytest.mark.usefixtures("a_gpu")
def test_tf32_is_refused_on_the_cpu_of_a_machine_with_a_gpu() -> None:
    with pytest.raises(DeviceError, match="tf32 needs a CUDA GPU"):
        choose_device(TrainingParams(device="cpu", precision="tf32"))


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("precision", "products"), [("float32", "ieee"), ("tf32", "tf32"), ("bfloat16", "ieee"), ("auto", "tf32")]
)
def test_settings_hold_while_the_block_runs_and_no_longer(precision: str, products: str) -> None:
    before = in_force()
    with computing(TrainingParams(threads=1, precision=precision)):
        assert in_force() == (1, products, products)
    assert in_force() == before
    # PyTorch raises an error where settings of its two generations contradict each other.
    assert isinstance(torch.backends.cudnn.allow_tf32, bool)


@pytest.mark.parametrize(
    "words",
    ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`", "can't allocate memory"],
)
def test_memory_that_runs_out_is_one_line_whoever_could_not_allocate_it(words: str) -> None:
    with (
        pytest.raises(DeviceError, match=r"out of memory: lower training\.batch_size") as caught,
        computing(TrainingParams()),
    ):
        raise RuntimeError(f"{words}\nmore lines")
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="another reason"), computing(TrainingParams()):
        raise RuntimeError("another reason")


@pytest.mark.usefixtures("settings")
def test_settings_are_put_back_after_an_error() -> None:
    before = in_force()
    with pytest.raises(KeyError), computing(TrainingParams(threads=1, precision="tf32")):
        raise KeyError
    assert in_force() == before


@pytest.mark.usefixtures("settings")
def test_threads_stay_as_they_are_when_none_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "usable_cores", lambda: 1)
    with reading(TrainingParams(threads=None), trained_with=1):
        assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("name", THREAD_VARIABLES)
def test_auto_leaves_the_threads_that_the_environment_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    monkeypatch.setattr(device, "usable_cores", lambda: 1)
    with reading(TrainingParams(), trained_with=1):
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("name", THREAD_VARIABLES)
def test_a_variable_that_is_not_empty_keeps_auto_from_choosing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in THREAD_VARIABLES:
        monkeypatch.delenv(other, raising=False)
    assert threads_are_open(TrainingParams())
    monkeypatch.setenv(name, "")
    assert threads_are_open(TrainingParams())
    for value in (" ", "0", "1", " 4, 2", "abc"):
        monkeypatch.setenv(name, value)
        assert not threads_are_open(TrainingParams())


def open_and_threads(variables: Mapping[str, str]) -> tuple[bool, int]:
    """Whether auto chooses in a process with these variables, and how many threads PyTorch has there by itself."""
    program = (
        "import torch; from charrnn.config.schema import TrainingParams; "
        "from charrnn.training.device import threads_are_open; "
        "print(int(threads_are_open(TrainingParams())), torch.get_num_threads())"
    )
    others = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    told = subprocess.run([sys.executable, "-c", program], env={**others, **variables}, stdout=PIPE, check=True)
    is_open, threads = map(int, told.stdout.split())
    return bool(is_open), threads


def test_auto_chooses_where_pytorch_has_the_threads_that_it_has_without_the_variables() -> None:
    without = open_and_threads({})
    assert without[0]
    # Read as a number or not, by one library and the other.
    for variables in ({"OMP_NUM_THREADS": "+1"}, {"MKL_NUM_THREADS": "abc"}, {"MKL_NUM_THREADS": "0,1"}):
        is_open, threads = open_and_threads(variables)
        assert not is_open or threads == without[1], variables
    assert open_and_threads(dict.fromkeys(THREAD_VARIABLES, "")) == without


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("cores", "trained_with", "threads"), [(8, None, 2), (1, None, 1), (8, 1, 1), (1, 2, 1), (8, 8, 2)]
)
def test_auto_takes_no_more_threads_than_there_are_cores_or_training_has_chosen_or_pytorch_had(
    cores: int, trained_with: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device, "usable_cores", lambda: cores)
    with reading(TrainingParams(), trained_with):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("trained_with", [None, 1024])
def test_a_model_that_is_only_read_takes_no_more_threads_than_there_are_cores_though_training_does(
    trained_with: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "usable_cores", lambda: 1)
    given = TrainingParams(threads=3)
    with computing(given):
        assert torch.get_num_threads() == 3
    with reading(given, trained_with):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("tf32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_only_bfloat16_multiplies_in_bfloat16(precision: str, dtype: torch.dtype) -> None:
    with autocast(TrainingParams(precision=precision), CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize(
    ("able", "device", "chosen"),
    [
        ({"avx512_bf16": True}, "cpu", "bfloat16"),
        ({"amx_bf16": True}, "cpu", "bfloat16"),
        ({"avx512_bf16": False, "avx2": True}, "cpu", "float32"),
        ({"architecture": "aarch64", "bf16": True}, "cpu", "float32"),
        ({"avx512_bf16": True}, "cuda", "tf32"),
    ],
)
def test_auto_is_the_fastest_arithmetic_the_device_has(
    able: dict[str, object], device: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert choose_precision(TrainingParams(precision="auto"), torch.device(device)) == chosen
    assert choose_precision(TrainingParams(precision="float32"), torch.device(device)) == "float32"


@pytest.mark.parametrize(("able", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_multiplies_in_bfloat16_where_the_processor_does(
    able: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    with autocast(TrainingParams(), CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(("able", "words"), [(True, " with bfloat16"), (False, "")])
def test_the_cpu_is_described_with_what_changes_the_last_bit(
    able: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    assert describe_device(CPU) == f"CPU ({torch.backends.cpu.get_cpu_capability()}{words}), 2 threads"
    torch.set_num_threads(1)
    assert describe_device(CPU).endswith(", 1 thread")
