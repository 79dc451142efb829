"""The flow `sample` on a run that has ended."""

import pytest

from charrnn.errors import ParamsError
from flows.sample import sample as sample_flow
from tests.workplace import Finished, call_sample


def test_the_flow_writes_what_the_command_line_writes(finished: Finished) -> None:
    places = finished.workplace.overrides
    texts = sample_flow(finished.run_id, prime="QUEEN:", length=60, seed=4, stop="e", num_samples=2, overrides=places)
    assert len(texts) == 2
    for number, text in enumerate(texts):
        options = ["--prime", "QUEEN:", "--length", "60", "--seed", str(4 + number), "--until", "e"]
        assert call_sample("--run", finished.run_id, *options, *finished.workplace.places).out == text + "\n"


def test_the_flow_refuses_what_cannot_be(finished: Finished) -> None:
    with pytest.raises(ParamsError, match="num_samples: must be >= 1, got 0"):
        sample_flow(finished.run_id, num_samples=0, overrides=finished.workplace.overrides)
    with pytest.raises(ParamsError, match=r"^length: must be >= 1, got 0$"):
        sample_flow(finished.run_id, length=0, overrides=finished.workplace.overrides)
    with pytest.raises(TypeError, match="lenght"):
        sample_flow(finished.run_id, lenght=5, overrides=finished.workplace.overrides)
