from pathlib import Path

import pytest

from charrnn.data.folder import DataFolder


def test_each_thing_has_its_place_in_the_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    assert folder.downloads == tmp_path / "data" / "downloads"
    assert folder.corpora == tmp_path / "data" / "corpora"
    assert folder.encoded == tmp_path / "data" / "encoded"
    assert folder.checkpoints("a-run") == tmp_path / "data" / "checkpoints" / "a-run"
    assert folder.outboxes == tmp_path / "data" / "outbox"
    assert folder.outbox("a-run") == tmp_path / "data" / "outbox" / "a-run"
    assert not (tmp_path / "data").exists()


def test_an_outbox_is_where_it_was_for_a_process_that_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert DataFolder(Path("data")).outbox("a-run") == tmp_path / "data" / "outbox" / "a-run"
