"""What the device multiplies at most: a large product in each precision, measured rather than looked up."""

from typing import Any

import torch

from benchmarks.gpu.setting import Setting, clock
from charrnn.config.schema import TrainingParams
from charrnn.training.device import computing

SECONDS = 0.3


def measure(setting: Setting) -> dict[str, Any]:
    """Return operations a second (TFLOP/s) of a square product in each precision that the device has."""
    size = 512 if setting.quick else 8192
    found = {}
    for precision in ("float32", "tf32", "bfloat16") if setting.device.type == "cuda" else ("float32", "bfloat16"):
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        with computing(TrainingParams(precision=precision)):
            found[precision] = round(_rate(setting.device, size, dtype) / 1e12, 3)
    return {"TFLOP/s": found, "size": size}


def _rate(device: torch.device, size: int, dtype: torch.dtype) -> float:
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = left @ right
    made, began = 0, clock(device)
    while (taken := clock(device) - began) < SECONDS:
        for _ in range(10):
            torch.mm(left, right, out=out)
        made += 10
    return made * 2 * size**3 / taken
