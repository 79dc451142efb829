"""What a person types is read as the training text was, wherever the model is asked."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest

import charrnn
from flows.sample import sample as sample_flow
from tests.workplace import Workplace, call, call_sample

DECOMPOSED = "E\u0301"


@dataclass(frozen=True)
class Trained:
    """A run whose text was composed and lower-cased, and where it was made."""

    place: Workplace
    run_id: str

    @property
    def checkpoint(self) -> Path:
        return self.place.data_folder / "checkpoints" / self.run_id / "best.ckpt"

    def sample(self, *arguments: str) -> str:
        """Return what the command line writes; it must not have to say anything."""
        answer = call_sample("--run", "last", "--length", "40", *arguments, *self.place.places)
        assert (answer.code, answer.err) == (0, "")
        return answer.out


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, api_url: str) -> Trained:
    folder = tmp_path_factory.mktemp("summer")
    text = folder / "summer.txt"
    text.write_text("L'E\u0301TE\u0301, il a e\u0301te\u0301 a\u0300 la mer.\r\n" * 200, encoding="utf-8")
    place = Workplace(folder, text, api_url)
    changes = ["data.lowercase=true", "training.max_steps=1"]
    answer = call(*place.options, *(part for change in changes for part in ("--set", change)), "--quiet")
    assert answer.code == 0, answer.err
    return Trained(place, answer.out.strip())


@pytest.mark.parametrize(("typed", "read"), [(DECOMPOSED, "é"), ("L'ÉTÉ\r\n", "l'été\n"), ("\ufeffLa", "la")])
def test_the_command_reads_a_prime_as_the_text_wherever_it_comes_from(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, read: str
) -> None:
    expected = trained.sample("--prime", read)
    assert expected.startswith(read)
    assert trained.sample("--prime", typed) == expected
    (tmp_path / "prime.txt").write_bytes(typed.encode())
    assert trained.sample("--prime-file", str(tmp_path / "prime.txt")) == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
    assert trained.sample("--prime-file", "-") == expected


def test_the_command_reads_an_end_as_the_text(trained: Trained) -> None:
    whole = trained.sample("--temperature", "2")
    stopped = whole[: whole.index("é") + 1] + "\n"
    assert len(stopped) < len(whole)
    assert trained.sample("--temperature", "2", "--until", DECOMPOSED) == stopped


@pytest.fixture
def _store(trained: Trained) -> Iterator[None]:
    mlflow.set_tracking_uri(trained.place.uri)
    yield
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it


@pytest.mark.usefixtures("_store")
def test_a_served_row_is_read_as_the_text(trained: Trained) -> None:
    served = mlflow.pyfunc.load_model("models:/charrnn/1")
    rows = [{"prime": "\ufeffL'" + DECOMPOSED + "\r\n", "stop": DECOMPOSED}, {"prime": "l'é\n", "stop": "é"}]
    answer = served.predict(pd.DataFrame([{**row, "length": 40, "temperature": 2.0} for row in rows]))
    assert isinstance(answer, pd.DataFrame)
    assert answer["text"][0] == answer["text"][1]
    assert answer["text"][0].endswith("é")
    assert list(answer["warnings"]) == ["", ""]


def test_the_flow_reads_a_prime_as_the_text(trained: Trained) -> None:
    (text,) = sample_flow(trained.run_id, prime=DECOMPOSED, length=40, overrides=trained.place.overrides)
    assert text + "\n" == trained.sample("--prime", "é")


def test_the_library_reads_a_prime_and_a_text_to_be_scored_as_the_text(trained: Trained) -> None:
    model = charrnn.load(trained.checkpoint)
    assert model.sample("L'" + DECOMPOSED, length=9) == model.sample("l'é", length=9)
    assert model.score("\ufeffL'" + DECOMPOSED + "T" + DECOMPOSED + "\r\n") == model.score("l'été\n")
    assert model.score([DECOMPOSED * 2, "LA"]) == model.score(["éé", "la"])
