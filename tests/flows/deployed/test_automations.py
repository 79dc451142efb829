"""The automations of the project are on a real Prefect server once, and as the file has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import Automation, AutomationCore

from charrnn.config.loading import PROJECT
from charrnn.errors import ParamsError
from flows.deployed.automations import FILE, make_automations


def there(name: str) -> list[Automation]:
    with get_client(sync_client=True) as client:
        return client.read_automations_by_name(name)


@pytest.mark.usefixtures("api_url")
def test_they_are_made_once_and_replaced_where_they_differ_with_their_doubles(tmp_path: Path) -> None:
    names = ["silent-runs-have-crashed", "runs-that-do-not-start-have-crashed"]
    assert make_automations() == dict.fromkeys(names, "made")
    first, other = (there(name) for name in names)
    assert make_automations() == dict.fromkeys(names, "there")
    assert [there(name) for name in names] == [first, other]  # they count the time of what goes on

    content = yaml.safe_load(FILE.read_text("utf-8"))
    with get_client(sync_client=True) as client:
        client.create_automation(AutomationCore.model_validate(content["automations"][0]))
    assert make_automations() == dict.fromkeys(names, "there")
    assert len(there(names[0])) == 1

    content["automations"][0]["trigger"]["within"] = 400
    path = tmp_path / "automations.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert make_automations(path) == {names[0]: "replaced", names[1]: "there"}
    (changed,) = there(names[0])
    assert (changed.trigger.within.total_seconds(), there(names[1])) == (400, other)  # type: ignore[union-attr]  # it is of an event


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "PREFECT_API_URL is not set"),
        ({"PREFECT_API_URL": "http://127.0.0.1:1/api"}, "PREFECT_API_URL http://127.0.0.1:1/api: the Prefect server"),
    ],
)
def test_without_a_server_there_is_one_line(environment: dict[str, str], problem: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-m", "flows.deployed.automations"],
        cwd=PROJECT,
        env={**kept, "PREFECT_HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {problem}")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "automations: must be a list"),
        (b"automations:", "automations: must be a list"),
        (b"automations: [{name: x}]", "automations: "),
        (b"automations: [1]", "automations: "),
        (b"a: [", "cannot be read: "),
        (b"\xff\xfe", "cannot be read: "),
        (None, "cannot be read: "),
        (b"automations: 3", "automations: must be a list"),
    ],
)
def test_a_file_with_something_else_is_named_and_makes_nothing(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "automations.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParamsError) as caught:
        make_automations(path)
    assert str(caught.value).startswith(f"{path}: {problem}")


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(FILE.read_text("utf-8"))["automations"]
    path = tmp_path / "automations.yaml"
    path.write_text(yaml.safe_dump({"automations": [*content, content[0]]}), encoding="utf-8")
    with pytest.raises(ParamsError, match="automations: silent-runs-have-crashed is there 2 times"):
        make_automations(path)
