"""A Prefect server that the settings name and that is not there: the message says which place has named it."""

from pathlib import Path

import pytest

from flows.servers.named_server import naming_place
from tests.workplace import Workplace

DEAD = "http://127.0.0.1:1/api"


def test_a_dead_server_of_a_profile_is_one_line_that_names_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, which reads the profile."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'active = "night"\n[profiles.night]\nPREFECT_API_URL = "{DEAD}"\n')
    place = Workplace(tmp_path, tmp_path / "a text", api_url="")
    process = place.start(*place.options, "--quiet")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    (line,) = err.splitlines()
    named = f"PREFECT_API_URL {DEAD} (of the profile 'night' in {profiles})"
    assert line.startswith(f"error: {named}: the Prefect server does not answer: ")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".env", f"PREFECT_API_URL={DEAD}\n"),
        ("prefect.toml", f'[api]\nurl = "{DEAD}"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{DEAD}"\n'),
    ],
)
def test_the_files_of_the_working_directory_come_before_the_profile_and_after_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / file).write_text(content)
    assert naming_place() == f"in {tmp_path}/{file}"
    monkeypatch.setenv("PREFECT_API_URL", DEAD)
    assert naming_place() == ""
