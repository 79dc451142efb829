import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from tasks.tracking import environment
from tasks.tracking.environment import environment_tags, installed_packages


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    # A repository that the folder may lie in is not the project's.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init", "--quiet")
    (project / "code.py").write_text("1\n")
    git(project, "add", "code.py")
    git(project, "commit", "--quiet", "--message", "first")
    return project


def test_the_commit_is_recorded_where_mlflow_looks_for_it(repository: Path) -> None:
    tags = environment_tags()
    assert tags["git.commit"] == tags["mlflow.source.git.commit"] == git(repository, "rev-parse", "HEAD")
    assert tags["git.dirty"] == "false"


def test_changed_code_is_dirty_and_a_new_file_is_not(repository: Path) -> None:
    (repository / "data.txt").write_text("a text")
    assert environment_tags()["git.dirty"] == "false"
    (repository / "code.py").write_text("2\n")
    assert environment_tags()["git.dirty"] == "true"


@pytest.mark.usefixtures("project")
def test_without_a_repository_there_is_no_commit() -> None:
    assert not {key for key in environment_tags() if "git" in key}


@pytest.mark.usefixtures("repository")
def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not {key for key in environment_tags() if "git" in key}


def test_versions_and_hardware_are_this_machines() -> None:
    tags = environment_tags()
    assert tags["python"] == platform.python_version()
    assert tags["version.torch"] == version("torch")
    assert {"version.mlflow", "version.prefect", "version.numpy", "version.pandas"} <= set(tags)
    assert tags["cpu"].endswith(f"{psutil.cpu_count()} cores")
    assert float(tags["memory_gb"]) == pytest.approx(psutil.virtual_memory().total / 1e9, abs=0.06)
    assert all(isinstance(value, str) and value for value in tags.values())


def test_every_installed_package_stands_on_a_line_with_its_version() -> None:
    text = installed_packages()
    lines = text.splitlines()
    assert text.endswith("\n")
    assert f"torch=={version('torch')}" in lines
    assert lines == sorted(lines, key=str.lower)
    assert all(line.count("==") == 1 for line in lines)
