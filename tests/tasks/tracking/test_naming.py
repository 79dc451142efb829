"""What a person calls a trained model."""

from pathlib import Path

import pytest

from charrnn.errors import ParamsError
from tasks.tracking.naming import kind_of

RUN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ("last", "run"),
        (RUN, "run"),
        (RUN.upper(), "registered"),
        (RUN[:-1], "registered"),
        ("charrnn", "registered"),
        ("charrnn@champion", "registered"),
        ("charrnn/3", "registered"),
        ("nowhere/best.ckpt", "file"),
        ("a file", "file"),
        ("./last", "file"),
        (f"./{RUN}", "file"),
        ("a folder", "registered"),
    ],
)
def test_a_name_is_a_run_a_file_or_a_registered_model(
    wanted: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").touch()
    if wanted.startswith("./"):
        (tmp_path / wanted).touch()
    assert kind_of(wanted) == kind


@pytest.mark.parametrize(("wanted", "run"), [("last", "the newest run"), (RUN, "a run")])
def test_what_may_be_a_run_or_a_file_is_refused_and_both_are_named(
    wanted: str, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / wanted).touch()
    with pytest.raises(ParamsError) as raised:
        kind_of(wanted)
    assert str(raised.value) == (
        f"{wanted}: may be {run} or the file {tmp_path}/{wanted}; write ./{wanted} for the file, or rename it"
    )
