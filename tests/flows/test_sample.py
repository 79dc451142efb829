"""The flow `sample` on a run that has ended."""

import asyncio
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from charrnn.errors import ParamsError
from flows.sample import sample as sample_flow
from tests.documents_model import save_documents_model
from tests.workplace import Finished, call_sample


def shown() -> str:
    """The artifact of the newest run of the flow."""

    async def read() -> str:
        async with get_client() as client:
            found = await client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["sample"])),
                sort=ArtifactSort.CREATED_DESC,
                limit=1,
            )
        return str(found[0].data)

    return asyncio.run(read())


def test_documents_are_shown_as_a_list_in_which_nothing_is_markdown(finished: Finished, tmp_path: Path) -> None:
    path = save_documents_model(tmp_path / "a.ckpt", "# <b>*_`-\x1b|[x](y)")
    texts = sample_flow(str(path), num_samples=20, length=12, overrides=finished.workplace.overrides)
    assert len(texts) == 20
    artifact = shown()
    assert artifact.split("\n") == [f"    {text}".replace("\x1b", "\\x1b") for text in texts]
    assert "\x1b" in "".join(texts)


def test_what_the_model_cannot_use_is_logged(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    texts = sample_flow(finished.run_id, prime="QÜEEN:", length=5, overrides=finished.workplace.overrides)
    assert texts[0].startswith("QEEN:")
    assert "warning   prime: the model has never seen 'Ü' (LATIN CAPITAL LETTER U WITH DIAERESIS); dropped" in [
        record.getMessage() for record in caplog.records
    ]


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
