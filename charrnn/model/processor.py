"""Which arithmetic the processor has instructions for; elsewhere it is emulated, and slower than float32."""

from functools import cache

import torch


@cache
def computes_bfloat16() -> bool:
    """Whether PyTorch's LSTM takes bfloat16 here, emulated or not: oneDNN's does on x86 from AVX512 on."""
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", dtype=torch.bfloat16):
        try:
            torch.nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
        except RuntimeError:
            return False
    return True


def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself."""
    return _has("avx512_bf16", "amx_bf16")


def instructions() -> str:
    """Return the widest instructions that PyTorch uses here, in words."""
    return f"{torch.backends.cpu.get_cpu_capability()}{' with bfloat16' if multiplies_bfloat16() else ''}"


def multiplies_int8() -> bool:
    """Whether this processor multiplies 8-bit integers itself, with sums of 32 bits."""
    return _has("avx512_vnni")


def _has(*names: str) -> bool:
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in names)
