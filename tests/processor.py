"""Marks for tests that only some processors can run."""

import pytest

from charrnn.model.processor import computes_bfloat16

needs_bfloat16 = pytest.mark.skipif(not computes_bfloat16(), reason="PyTorch's LSTM has no bfloat16 on this processor")
