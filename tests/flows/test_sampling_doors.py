"""Every door to sampling has the options of SamplingOptions, all of them and no others."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import mlflow
import pandas as pd
import pytest
from mlflow.pyfunc import PyFuncModel, scoring_server
from prefect.utilities.callables import parameter_schema

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import Params
from charrnn.evaluation.surprisal import score_text
from charrnn.generation.sampling import sample
from charrnn.training.checkpoint import load_checkpoint
from flows.sample import sample as sample_flow
from tests.workplace import Finished

OPTIONS = list(SamplingOptions.model_fields)


@pytest.fixture(scope="module")
def served(finished: Finished) -> Iterator[PyFuncModel]:
    mlflow.set_tracking_uri(finished.workplace.uri)
    yield mlflow.pyfunc.load_model(f"models:/charrnn/{finished.summary.model_version}")
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it, also for processes that are started


def ask(served: PyFuncModel, table: dict[str, Any]) -> httpx.Response:
    """What MLflow's scoring server answers, in this process."""

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(scoring_server.init(served))
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return await client.post("/invocations", json=table)

    return asyncio.run(post())


def answer(served: PyFuncModel, table: dict[str, Any]) -> list[str]:
    """The texts that MLflow's scoring server answers with."""
    response = ask(served, table)
    assert response.status_code == 200, response.text
    return [row["text"] for row in response.json()["predictions"]]


def texts(served: PyFuncModel, frame: pd.DataFrame) -> list[str]:
    """The texts that the model answers with when it is called."""
    answered = served.predict(frame)
    assert isinstance(answered, pd.DataFrame)
    return list(answered["text"])


def written(finished: Finished, **options: Any) -> str:
    checkpoint = load_checkpoint(finished.checkpoints / "best.ckpt")
    return sample(checkpoint.model(), checkpoint.vocabulary, SamplingOptions(**options))


def test_every_option_is_documented() -> None:
    assert all(field.description for field in SamplingOptions.model_fields.values())


def test_the_section_of_parameters_has_temperatures_in_place_of_the_temperature() -> None:
    section = Params().sampling
    assert {*section.model_dump()} - {"temperatures", "num_samples"} == {*OPTIONS} - {"temperature"}
    for temperature, options in zip(section.temperatures, section.options(), strict=True):
        assert options == SamplingOptions(temperature=temperature)


def test_the_form_of_the_flow_has_each_option_with_its_default_its_range_and_its_documentation() -> None:
    properties = parameter_schema(sample_flow.fn).properties
    assert list(properties) == ["model", *OPTIONS, "num_samples", "overlays", "overrides"]
    assert all(entry["description"] for entry in properties.values())
    documented = SamplingOptions.model_json_schema()["properties"]
    for name, field in SamplingOptions.model_fields.items():
        assert properties[name]["default"] == field.default
        assert properties[name]["description"] == " ".join((field.description or "").split())
        for key in ("type", "anyOf", "minimum", "exclusiveMaximum"):
            assert properties[name].get(key) == documented[name].get(key)


@pytest.mark.parametrize(
    "table",
    [
        {"dataframe_records": [{"prime": "a"}, {"prime": "b", "lenght": 5}]},
        {"dataframe_split": {"columns": ["prime", "lenght"], "data": [["a", 5]]}},
        {"inputs": [{"prime": "a", "lenght": 5}]},
        {"inputs": {"prime": "a", "lenght": 5}},
        {"instances": [{"prime": "a", "lenght": 5}]},
    ],
)
def test_an_unknown_option_of_a_served_row_is_refused_by_name(served: PyFuncModel, table: dict[str, Any]) -> None:
    response = ask(served, table)
    assert response.status_code == 400
    assert response.json()["message"].endswith(
        f"Error: unknown option 'lenght'; there are {', '.join(OPTIONS)}, score, surprisal"
    )


def test_rows_may_have_different_options_and_none(served: PyFuncModel, finished: Finished) -> None:
    rows: list[dict[str, Any]] = [{"prime": "QUEEN:", "length": 9}, {"seed": 5, "temperature": 2, "length": None}, {}]
    expected = [
        written(finished, prime="QUEEN:", length=9),
        written(finished, seed=5, temperature=2),
        written(finished),
    ]
    assert answer(served, {"dataframe_records": rows}) == expected


def test_rows_may_come_in_each_form_that_mlflow_has(served: PyFuncModel, finished: Finished) -> None:
    row, expected = {"prime": "QUEEN:", "length": 9}, written(finished, prime="QUEEN:", length=9)
    columns = {name: [value, value] for name, value in row.items()}
    assert answer(served, {"instances": [row, row]}) == [expected] * 2
    assert answer(served, {"inputs": columns}) == [expected] * 2
    assert answer(served, {"inputs": [row, {"prime": "QUEEN:"}]}) == [expected, written(finished, prime="QUEEN:")]
    assert answer(served, {"inputs": row}) == [expected]
    response = ask(served, {"inputs": 5})
    assert response.status_code == 400
    assert "Error: the input is no table: " in response.json()["message"]


def test_a_served_row_has_its_text_and_what_the_model_cannot_use(served: PyFuncModel, finished: Finished) -> None:
    assert served.metadata.signature.outputs.input_names() == ["text", "warnings"]
    rows = [{"prime": "\ufeffQÜEEN:\r\n", "length": 9, "stop": "\\n"}, {"prime": "QUEEN:", "length": 9, "stop": None}]
    first, second = ask(served, {"dataframe_records": rows}).json()["predictions"]
    assert first["text"] == written(finished, prime="QEEN:\n", length=9)
    assert first["warnings"].startswith("prime: the model has never seen 'Ü' (LATIN CAPITAL LETTER U WITH DIAERESIS)")
    assert "; stop (--until): the model never writes '\\' (REVERSE SOLIDUS)" in first["warnings"]
    assert second == {"text": written(finished, prime="QUEEN:", length=9), "warnings": ""}


def test_served_rows_may_ask_for_scores_in_each_form_that_mlflow_has(served: PyFuncModel, finished: Finished) -> None:
    checkpoint = load_checkpoint(finished.checkpoints / "best.ckpt")
    text = "QÜEEN:\r\n"
    expected = score_text(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data, text)
    row = {"score": text, "surprisal": True}
    for table in (
        {"dataframe_records": [row, {"score": ""}]},
        {"dataframe_split": {"columns": [*row], "data": [[*row.values()], ["", None]]}},
        {"inputs": [row, {"score": ""}]},
        {"instances": [row, {"score": "", "surprisal": False}]},
    ):
        response = ask(served, table)
        assert response.status_code == 200, response.text
        # Not all that read JSON read NaN.
        first, second = json.loads(response.text, parse_constant=pytest.fail)["predictions"]
        assert first["bits_per_char"] == pytest.approx(expected.bits_per_char, rel=1e-6)
        assert (first["characters"], first["unknown"]) == (5, 1)
        assert first["warnings"].startswith("score: the model has never seen 'Ü' (LATIN CAPITAL LETTER U WITH")
        assert [one["character"] for one in first["surprisal"]] == [*"QÜEEN:\n"]
        assert [one["bits"] is None for one in first["surprisal"]] == [True, True, *[False] * 5]
        assert (second["bits_per_char"], second["surprisal"]) == (None, None)
        assert second["warnings"] == "score: is empty; there is nothing to score"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"length": -1}, "length: must be >= 1, got -1"),
        ({"length": 10**6}, "length: must be <= 100000, got 1000000"),
        ({"temperature": -0.5}, "temperature: must be >= 0, got -0.5"),
        ({"stop": ""}, 'stop: must not be empty, got ""'),
    ],
)
def test_the_answer_to_a_wrong_value_says_why_in_its_message(
    served: PyFuncModel, wrong: dict[str, Any], reason: str
) -> None:
    response = ask(served, {"dataframe_records": [{"prime": "a", **wrong}]})
    assert response.status_code == 400
    assert response.json()["message"].endswith(f"Error: {reason}")
    assert "stack_trace" not in response.json()


def test_the_example_of_a_registered_model_has_a_value_for_each_option_and_is_answered(served: PyFuncModel) -> None:
    example = served.input_example
    assert isinstance(example, pd.DataFrame)
    assert list(example.columns) == OPTIONS
    assert not example.isna().any(axis=None)
    table = example.to_dict(orient="split", index=False)
    assert answer(served, {"dataframe_split": table}) == texts(served, example)


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("name", OPTIONS)
def test_a_served_row_without_an_option_or_with_null_takes_the_default(
    served: PyFuncModel, finished: Finished, name: str, null: bool
) -> None:
    given: dict[str, Any] = {"prime": "QUEEN:", "length": 30, "seed": 7, "top_k": 9, "top_p": 0.9, "temperature": 2}
    without = {key: value for key, value in given.items() if key != name}
    rows = [given, {**without, name: None} if null else without]
    assert answer(served, {"dataframe_records": rows}) == [written(finished, **given), written(finished, **without)]


@pytest.mark.parametrize("kind", ["int64", "Int64", "float64", "object"])
def test_whole_numbers_may_come_in_any_type_to_a_registered_model(
    served: PyFuncModel, finished: Finished, kind: str
) -> None:
    frame = pd.DataFrame({"prime": ["a"], "length": pd.Series([9], dtype=kind), "top_k": pd.Series([7], dtype=kind)})
    assert texts(served, frame) == [written(finished, prime="a", length=9, top_k=7)]
