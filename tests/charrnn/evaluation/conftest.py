"""A small model and a text for it to be evaluated on."""

import pytest
import torch

from charrnn.config.schema import ModelParams
from charrnn.data.streams import Streams
from charrnn.model.cells import CELLS
from charrnn.model.char_rnn import CharRNN
from tests.charrnn.evaluation.reading import CPU, IDS, VOCABULARY


@pytest.fixture(params=CELLS)
def model(request: pytest.FixtureRequest) -> CharRNN:
    """Untrained, far from uniform, in training mode, with dropout."""
    torch.manual_seed(1)
    params = ModelParams(cell=request.param, hidden_size=6, embedding_size=4, num_layers=2, dropout=0.4)
    made = CharRNN(params, VOCABULARY.size)
    with torch.no_grad():
        made.decoder.weight.mul_(8)
    return made


@pytest.fixture
def streams() -> Streams:
    """Three streams of 74 predictions in 8 windows, the last of them short."""
    return Streams(IDS, 3, 10, CPU)
