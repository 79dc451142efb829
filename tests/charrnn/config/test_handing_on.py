"""Parameters that travel as overrides arrive as they were."""

from typing import Any

import pytest

from charrnn.config.handing_on import as_overrides
from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import ParamsError

AWKWARD: dict[str, dict[str, Any]] = {
    "data": {
        "sources": ["/a b/it's.txt", "/tmp/*.txt", '/say "x" \udcef.txt', "https://host/a.txt#sha256=00"],
        "join": "\\n\n",
    },
    "model": {"embedding_size": None, "tie_weights": False},
    "training": {"learning_rate": 1e-05, "max_minutes": None, "max_steps": 3},
    "sampling": {"prime": '"quoted": {x}', "temperatures": [0.0, 1e-7], "stop": "\x85 \n end"},
    "tracking": {"run_name": "'a' # b", "experiment": "null", "tags": {"a.b=c": "x: [y", "mlflow.parentRunId": "é"}},
}


def test_overrides_make_the_parameters_again() -> None:
    base = load_params()
    params = Params.model_validate(
        {**base.model_dump(), **{key: {**base.model_dump()[key], **AWKWARD[key]} for key in AWKWARD}}
    )
    assert load_params([], as_overrides(params, base)) == params


def test_what_is_the_same_is_not_handed_on() -> None:
    assert as_overrides(load_params(), load_params()) == []


def test_credentials_are_not_handed_on() -> None:
    params = load_params([], ["data.sources=[https://me:hunter2@host/a.txt]"])
    with pytest.raises(ParamsError, match=r"^data.sources: has credentials") as error:
        as_overrides(params, load_params())
    assert "hunter2" not in str(error.value)
