"""The one place where devices, precision and threads are chosen."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
import torch.backends.cudnn.rnn

from charrnn.config.schema import TrainingParams
from charrnn.errors import DeviceError
from charrnn.model.processor import computes_bfloat16, instructions, multiplies_bfloat16
from charrnn.training.cores import usable_cores
from charrnn.training.launched import launched
from charrnn.wording import counted

# A person who sets one of these has chosen the number of threads; PyTorch reads them when it is imported.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
# What messages say where memory runs out that PyTorch itself does not allocate: that of oneDNN, the driver, cuBLAS and
# cuDNN.
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "_STATUS_ALLOC_FAILED")
# Without it, products of cuDNN's recurrent layers may differ in the last bits from one time to the next (PyTorch's
# documentation of LSTM). cuBLAS reads it at its first use.
CUBLAS_VARIABLE, CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:2"


def choose_device(params: TrainingParams) -> torch.device:
    """Return the device `training.device` asks for; auto takes the GPU when there is one.

    Raises:
        DeviceError: CUDA or a precision is asked for that is not there, or not on this device.
    """
    available = torch.cuda.is_available()
    if params.device == "cuda" and not available:
        raise DeviceError(
            "training.device: cuda was asked for, but PyTorch finds no CUDA GPU on this machine; use auto or cpu"
        )
    device = torch.device("cuda" if available and params.device != "cpu" else "cpu")
    if params.precision == "tf32" and device.type == "cpu":
        raise DeviceError("training.precision: tf32 needs a CUDA GPU; use float32 on the CPU")
    if params.precision == "bfloat16" and device.type == "cuda":
        # PyTorch's autocast casts what goes through cuDNN's recurrent layers to float16, whatever it was asked for
        # (aten/src/ATen/cudnn/AutocastRNN.cpp), and small gradients are lost in that. Layers whose weights are bfloat16
        # do not go through cuDNN at all (torch.backends.cudnn.is_acceptable).
        raise DeviceError("training.precision: bfloat16 is for the CPU; use tf32 on a GPU")
    if params.precision == "bfloat16" and not computes_bfloat16():
        raise DeviceError("training.precision: bfloat16 needs a processor with AVX512; use auto or float32 on this one")
    if device.type == "cuda":
        os.environ.setdefault(CUBLAS_VARIABLE, CUBLAS_WORKSPACE)
    return device


def check_gpus(params: TrainingParams, device: torch.device) -> None:
    """Check that each process that trains on this machine has a GPU of its own, as NCCL needs, where GPUs are used.

    Raises:
        DeviceError: there are more processes than GPUs.
    """
    processes = processes_here(params)
    if device.type == "cuda" and processes > 1 and processes > torch.cuda.device_count():
        raise DeviceError(
            f"training.processes: {processes} processes on a machine with "
            f"{counted(torch.cuda.device_count(), 'GPU')}, and each needs one of its own; lower it, or train with "
            "training.device cpu"
        )


def processes_here(params: TrainingParams) -> int:
    """Return how many processes train together on this machine."""
    place = launched()
    return params.processes if place is None else place.local_size


def choose_precision(params: TrainingParams, device: torch.device) -> Literal["float32", "tf32", "bfloat16"]:
    """Return the arithmetic that `training.precision` means on `device`; auto is the fastest it has.

    Weights, their average and the optimizer's state are float32 in each (Micikevicius et al. 2018).
    """
    if params.precision != "auto":
        return params.precision
    if device.type == "cuda":
        return "tf32"
    return "bfloat16" if multiplies_bfloat16() else "float32"


def threads_are_open(params: TrainingParams) -> bool:
    """Whether neither `training.threads` nor a variable of the environment says how many threads there are.

    A variable says so where it is not empty: what PyTorch makes of a value that is no number depends on the library
    that reads it (abc is a thread for each core in OMP_NUM_THREADS, and one thread in MKL_NUM_THREADS).
    """
    return params.threads == "auto" and not any(os.environ.get(name) for name in THREAD_VARIABLES)


def computing(params: TrainingParams) -> AbstractContextManager[None]:
    """Apply `training.threads` and tf32 while the block trains, and put back what was there before.

    Where `training.threads` leaves it open, there are as many threads as the process has cores, of which processes that
    train together have equal parts, and no more than PyTorch has now.

    Raises:
        DeviceError: the block runs out of memory.
    """
    remedy = "lower training.batch_size, training.seq_length, evaluation.batch_size or model.hidden_size"
    return _in_force(params, _threads(params), remedy)


def reading(params: TrainingParams, trained_with: int | None) -> AbstractContextManager[None]:
    """Do as `computing`, for a block that only reads a model which was trained with `params`.

    The training may have been given the threads of a machine with more cores. So what `training.threads` means is
    limited here by the cores of this one, and by the threads that the last step was made with; what it leaves to
    PyTorch is not.

    Args:
        params: threads and precision are used.
        trained_with: the threads of the last step; None where that is not known.

    Raises:
        DeviceError: the block runs out of memory.
    """
    threads = _threads(params)
    number = threads and min(threads, usable_cores(), trained_with or threads)
    return _in_force(params, number, "lower evaluation.batch_size, or give less to read or to write at once")


def _threads(params: TrainingParams) -> int | None:
    """Return the number of threads that `training.threads` means; None for the one that PyTorch has."""
    if threads_are_open(params):
        return min(torch.get_num_threads(), max(1, usable_cores() // processes_here(params)))
    return params.threads if isinstance(params.threads, int) else None


@contextlib.contextmanager
def _in_force(params: TrainingParams, number: int | None, remedy: str) -> Iterator[None]:
    """Compute with `number` threads, None for those there are, and the precision of `params` while the block runs.

    Where memory runs out, the message ends with `remedy`.
    """
    threads = torch.get_num_threads()
    # PyTorch refuses to mix these settings with the older `allow_tf32`.
    places: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn.rnn)
    before = [place.fp32_precision for place in places]
    try:
        if number is not None:
            torch.set_num_threads(number)
        for place in places:
            place.fp32_precision = "tf32" if params.precision in ("auto", "tf32") else "ieee"  # a CPU ignores it
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
            raise DeviceError(f"out of memory: {remedy}") from error
        raise
    finally:
        torch.set_num_threads(threads)
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def autocast(params: TrainingParams, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which the model runs: bfloat16 where that is the precision, else as it is."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=choose_precision(params, device) == "bfloat16")


def describe_device(device: torch.device) -> str:
    """Return what the device is, in words: other words may mean other results in the last bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({instructions()}), {counted(torch.get_num_threads(), 'thread')}"
