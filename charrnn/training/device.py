"""The one place where devices, precision and threads are chosen."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Literal

import torch

from charrnn.config.schema import TrainingParams
from charrnn.errors import DeviceError
from charrnn.training.cores import usable_cores
from charrnn.wording import counted

# A person who sets one of these has chosen the number of threads; PyTorch reads them when it is imported.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


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
        # (aten/src/ATen/cudnn/AutocastRNN.cpp), and small gradients are lost in that.
        raise DeviceError("training.precision: bfloat16 is for the CPU; use tf32 on a GPU")
    return device


def choose_precision(params: TrainingParams, device: torch.device) -> Literal["float32", "tf32", "bfloat16"]:
    """Return the arithmetic that `training.precision` means on `device`; auto is the fastest it has.

    Weights, their average and the optimizer's state are float32 in each (Micikevicius et al. 2018).
    """
    if params.precision != "auto":
        return params.precision
    if device.type == "cuda":
        return "tf32"
    return "bfloat16" if multiplies_bfloat16() else "float32"


def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; emulation on others is slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def threads_are_open(params: TrainingParams) -> bool:
    """Whether neither `training.threads` nor a variable of the environment says how many threads there are."""
    return params.threads == "auto" and not any(os.environ.get(name) for name in THREAD_VARIABLES)


@contextlib.contextmanager
def computing(params: TrainingParams, trained_with: int | None = None) -> Iterator[None]:
    """Apply `training.threads` and tf32 while the block runs, and put back what was there before.

    Where `training.threads` leaves it open, there are as many threads as the process has cores, and no more than
    PyTorch has now.

    Args:
        params: threads and precision are used.
        trained_with: a number of threads that a training has chosen, to be taken where it is open.

    Raises:
        DeviceError: the block runs out of memory.
    """
    threads = torch.get_num_threads()
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        if threads_are_open(params):
            torch.set_num_threads(min(threads, usable_cores(), trained_with or threads))
        elif isinstance(params.threads, int):
            torch.set_num_threads(params.threads)
        tf32 = params.precision in ("auto", "tf32")  # a CPU ignores it
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise DeviceError(
                "out of memory: lower training.batch_size, training.seq_length, evaluation.batch_size "
                "or model.hidden_size"
            ) from error
        raise
    finally:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def autocast(params: TrainingParams, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which the model runs: bfloat16 where that is the precision, else as it is."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=choose_precision(params, device) == "bfloat16")


def describe_device(device: torch.device) -> str:
    """Return what the device is, in words: the same words mean the same results to the last bit."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    bfloat16 = " with bfloat16" if multiplies_bfloat16() else ""
    return f"CPU ({torch.backends.cpu.get_cpu_capability()}{bfloat16}), {counted(torch.get_num_threads(), 'thread')}"
