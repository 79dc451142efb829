"""`charrnn score`: how unexpected a trained model finds a text, as a whole, by line or by character."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.config.loading import load_params
from charrnn.errors import CorpusError, DivergedError, ParamsError
from charrnn.undecodable import decoded
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, find_checkpoint, name_of, read_text
from flows.cli.output import with_escapes

if TYPE_CHECKING:
    from charrnn.evaluation.surprisal import Surprisal

EXAMPLES = [
    ("last chapter.txt", "bits per character and perplexity of a text"),
    ("charrnn server.log --by line", "the oddest lines first"),
    ("best.ckpt - --format jsonl", "a JSON object for each character of standard input"),
    ("last --text 'To be, or not'", ""),
]


def score(
    *,
    wanted: Annotated[str, MODEL],
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE|-", show_default=False, help="The text, in UTF-8; - is standard input."),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Instead of FILE: the text itself.")] = None,
    by: Annotated[
        Literal["character", "line"] | None,
        typer.Option(
            show_default=False,
            help="What is listed: characters in the order of the text, or lines, the most unusual first. Lines are "
            "ordered by (the line's bits per character - the text's) x the square root of the line's length, line end "
            "included; for this order alone, a character that the model has never seen counts as log2 of the size of "
            "the vocabulary. Without it: characters with --format tsv and jsonl.",
        ),
    ] = None,
    form: Annotated[
        Literal["summary", "tsv", "jsonl"] | None,
        typer.Option(
            "--format",
            show_default=False,
            help="summary: the whole text. tsv and jsonl: a row for each character or line; what has no surprisal (the "
            "first character of a stream, characters that the model has never seen) has an empty field, or null. "
            "Without it: tsv with --by, else summary.",
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="A copy of the model predicts 20 characters, then learns from them, and so on (dynamic evaluation, "
            "without an n-gram model); documents are then read in a random order. Where the copy diverges, the result "
            "is that without --adapt.",
        ),
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Read a long text in up to 64 pieces side by side, each after 1,000 characters of context, and "
            "multiply in bfloat16 where the processor does: several times as fast, and nearly the same (with one "
            "model, the mean differed by 0.001 bits and single characters by up to 0.3).",
        ),
    ] = False,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Say how unexpected a trained model finds a text, on the CPU: bits per character."""
    if form == "summary" and by is not None:
        raise ParamsError(f"--by: not allowed with --format summary, which is of the whole text, got {by}")
    if adapt and fast:
        raise ParamsError("--fast: not allowed with --adapt, which reads the text as one")
    name, given = _text(file, text)
    params = load_params(overlays, overrides)
    with interruptible():
        from charrnn.data.records import is_table
        from charrnn.evaluation.surprisal import score_text
        from charrnn.generation.formats import json_escape
        from charrnn.generation.writer import Writer
        from charrnn.training.device import reading
        from flows.cli.surprisal_rows import by_character, by_line, summary
    trained = find_checkpoint(params, wanted)
    network, data = trained.model(), trained.params.data
    if file is not None and data.documents == "records" and is_table(file):
        print(
            f"warning: {name} is scored as it stands, not as data.template {data.template!r} makes it", file=sys.stderr
        )
    of_lines = Writer(network, trained.vocabulary, data).of_lines
    score_as = partial(score_text, network, trained.vocabulary, data, given, of_lines=of_lines)
    try:
        with reading(trained.params.training, trained.threads):
            scored = _adapted(score_as) if adapt else score_as(how="fast" if fast else "exact")
    except CorpusError as error:
        raise CorpusError(f"{name}: {error}") from None
    except DivergedError as error:
        raise DivergedError(f"{wanted}: {error}") from None
    form = form or ("tsv" if by else "summary")
    if form == "summary":
        rows = summary(scored)
    else:
        rows = by_line(scored, form) if by == "line" else by_character(scored, form)
    for row in rows:
        print(with_escapes(row, json_escape) if form == "jsonl" else row)
    return 0


def _text(file: str | None, text: str | None) -> tuple[str, str]:
    """Return what messages call the one of both that is given, and the text."""
    if file is not None and text is None:
        return name_of(file), read_text(file, "the text")
    if file is None and text is not None:
        return "--text", decoded(text)
    found = "got none" if file is None else "got both"
    raise ParamsError(f"FILE: exactly one of FILE and --text must be given, {found}")


def _adapted(score_as: Callable[..., "Surprisal"]) -> "Surprisal":
    """Return what `score_as` gives of a copy that learns, or where that diverges, of the model; say which."""
    from charrnn.evaluation.dynamic import SEGMENT

    how = f"--adapt: dynamic evaluation alone, without an n-gram model; learns after every {SEGMENT} characters"
    try:
        scored = score_as(how="adapted")
    except DivergedError as error:
        scored = score_as()
        how = f"warning: --adapt: {error}; the result is that without it"
    print(how, file=sys.stderr)
    return scored
