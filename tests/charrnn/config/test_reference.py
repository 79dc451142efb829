import os
import runpy
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from charrnn.config import reference
from charrnn.config.loading import validate_params
from charrnn.config.reference import WIDTH, main, render_markdown, render_yaml
from charrnn.config.schema import Params

KEYS = {f"{section}.{name}" for section, content in Params().model_dump().items() for name in content}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project to write to."""
    monkeypatch.setattr(reference, "PROJECT", tmp_path)
    return tmp_path


@cache
def rows() -> dict[str, list[str]]:
    """Return the other cells of the row of each parameter."""
    cells = [line.strip("|").replace(r"\|", "/").split(" | ") for line in render_markdown().splitlines()]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in cells if row[0].startswith(" `")}


def test_params_yaml_and_the_parameters_page_are_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_missing_files_are_told_and_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 1
    assert os.listdir(project) == []
    assert capsys.readouterr().err == (
        "params.yaml is stale: run python -m charrnn.config.reference\n"
        "docs/parameters.md is stale: run python -m charrnn.config.reference\n"
    )
    assert main([]) == 0
    assert (project / "params.yaml").read_text(encoding="utf-8") == render_yaml()
    assert (project / "docs" / "parameters.md").read_text(encoding="utf-8") == render_markdown()
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["params.yaml", "docs/parameters.md"])
def test_a_stale_file_is_told_and_only_that_is_written(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    main([])
    path = project / name
    current = path.read_text(encoding="utf-8")
    path.write_text(current + "\n", encoding="utf-8")
    numbers = {p: p.stat().st_ino for p in project.rglob("*.*")}
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == f"{name} is stale: run python -m charrnn.config.reference\n"
    assert path.read_text(encoding="utf-8") == current + "\n"
    assert main([]) == 0
    assert path.read_text(encoding="utf-8") == current
    assert [p for p, number in numbers.items() if p.stat().st_ino != number] == [path]


def test_it_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reference", "--check"])
    monkeypatch.delitem(sys.modules, "charrnn.config.reference")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("charrnn.config.reference", run_name="__main__")
    assert caught.value.code == 0


def test_params_yaml_holds_the_defaults_of_every_parameter_in_order() -> None:
    values = yaml.safe_load(render_yaml())
    assert values == Params().model_dump(mode="json")
    assert [(section, list(content)) for section, content in values.items()] == [
        (section, list(content)) for section, content in Params().model_dump().items()
    ]
    assert validate_params(values) == Params()


def test_params_yaml_explains_every_parameter_on_lines_that_fit() -> None:
    lines = render_yaml().splitlines()
    assert max(map(len, lines)) <= WIDTH
    for name, section in Params.model_fields.items():
        assert isinstance(section.annotation, type)
        start = lines.index(f"{name}:")
        assert lines[start - 1] == f"# {section.annotation.__doc__}"
        for key, field in section.annotation.model_fields.items():
            assert field.description, f"{name}.{key}"
            at = next(n for n in range(start, len(lines)) if lines[n].startswith(f"  {key}:"))
            above = at
            while lines[above - 1].startswith("  #"):
                above -= 1
            comment = " ".join(line.removeprefix("  # ") for line in lines[above:at])
            assert comment == " ".join(field.description.split())


def test_the_page_has_a_row_with_the_default_and_the_description_of_every_parameter() -> None:
    assert set(rows()) == KEYS
    assert all(len(row) == 3 and all(row) for row in rows().values())
    assert rows()["training.learning_rate"] == ["`0.006`", "number > 0", "Peak learning rate of the schedule."]
    page = render_markdown()
    for name, section in Params.model_fields.items():
        assert isinstance(section.annotation, type)
        assert f"## {name}\n\n{section.annotation.__doc__}\n" in page


@pytest.mark.parametrize(
    ("key", "default", "may_be"),
    [
        ("data.min_count", "1", "whole number ≥ 1"),
        ("data.max_characters", "null", "whole number ≥ 1, or null"),
        ("data.directory", '"data"', "text"),
        ("data.lowercase", "false", "true or false"),
        ("data.newline", '"unix"', "`unix`, `keep`"),
        ("splits.val_fraction", "0.03", "number ≥ 0 and < 1"),
        ("training.ema_decay", "0.99", "number > 0 and < 1, or null"),
        ("training.seed", "1", "whole number ≥ 0 and < 2^63"),
        ("model.forget_bias", "1.0", "number"),
        ("sampling.temperatures", "[0.5, 0.8, 1.0]", "list of number ≥ 0"),
        ("sampling.top_p", "null", "number > 0 and ≤ 1, or null"),
        ("tracking.tags", "{}", "map of texts"),
        ("tracking.run_name", "null", "text, or null"),
    ],
)
def test_the_page_says_what_each_may_be(key: str, default: str, may_be: str) -> None:
    assert rows()[key][:2] == [f"`{default}`", may_be]
