"""Addresses of SQLite files, read by SQLAlchemy: the file is where the path says, whatever is in it."""

from pathlib import Path

import pytest
import sqlalchemy

from charrnn.config.sqlite_address import sqlite_address, sqlite_file

NAMES = ["plain", "a b", "what?", "a?b=c&d", "#1", "100%", "%3F%41", "a:b@c", "müde?", "?\udcef"]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_any_path_is_found_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "runs.db"
    path.parent.mkdir()
    address = sqlite_address(path)
    assert sqlite_file(address) == path
    engine = sqlalchemy.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE runs (id INTEGER)"))
    engine.dispose()
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_an_address_is_escaped_only_where_it_has_to_be() -> None:
    assert sqlite_address("/a b#%/runs.db") == "sqlite:////a b#%/runs.db"
    assert sqlite_address("/a/runs.db", driver="aiosqlite") == "sqlite+aiosqlite:////a/runs.db"
    assert sqlite_address("/a?/runs.db", driver="aiosqlite") == "sqlite+aiosqlite:///file:/a%3F/runs.db?uri=true"


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:////a/runs.db?timeout=9", "/a/runs.db"),
        ("sqlite:///runs.db", "runs.db"),
        ("sqlite:///file:///a%20b/runs.db?uri=true&mode=ro", "/a b/runs.db"),
        ("sqlite:///file:runs.db", "file:runs.db"),  # without uri=true, a name like any other
    ],
)
def test_addresses_that_others_wrote_are_read(address: str, file: str) -> None:
    assert sqlite_file(address) == Path(file)


@pytest.mark.parametrize("address", ["postgresql://host/runs", "http://host/sqlite:///", "/a/runs", "databricks"])
def test_another_address_has_no_file(address: str) -> None:
    assert sqlite_file(address) is None
