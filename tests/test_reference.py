from pathlib import Path

import pytest

from charrnn import reference
from charrnn.params import Params


def test_params_yaml_and_the_parameters_page_are_up_to_date() -> None:
    assert reference.main(["--check"]) == 0


def test_a_stale_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "PROJECT", tmp_path)
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0


def test_every_parameter_is_described() -> None:
    for name, section in Params.model_fields.items():
        assert isinstance(section.annotation, type)
        for key, field in section.annotation.model_fields.items():
            assert field.description, f"{name}.{key}"
