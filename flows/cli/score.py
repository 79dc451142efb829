"""`charrnn score`: how unexpected a trained model finds a text, as a whole, by line or by character."""

from typing import Annotated, Literal

import typer

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from charrnn.undecodable import decoded
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, find_checkpoint, read_text
from flows.cli.output import with_escapes

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
            help="What is listed: characters in the order of the text, or lines, the most unusual first (by how far "
            "their bits per character, line end included, are above those of the text, times the root of their "
            "length). Without it: characters with --format tsv and jsonl.",
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
            help="Let a copy of the model learn from the text as it reads (dynamic evaluation); documents are then "
            "read in a random order.",
        ),
    ] = False,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Read a long text in up to 64 pieces side by side, each after 1,000 characters of context: several "
            "times as fast, not exactly the same.",
        ),
    ] = False,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Say how unexpected a trained model finds a text, on the CPU: bits per character."""
    if (file is None) == (text is None):
        found = "got none" if file is None else "got both"
        raise ParamsError(f"FILE: exactly one of FILE and --text must be given, {found}")
    if form == "summary" and by is not None:
        raise ParamsError(f"--by: not allowed with --format summary, which is of the whole text, got {by}")
    if adapt and fast:
        raise ParamsError("--fast: not allowed with --adapt, which reads the text as one")
    given = decoded(text) if text is not None else read_text(file or "-", "the text")
    params = load_params(overlays, overrides)
    with interruptible():
        from charrnn.evaluation.surprisal import score_text
        from charrnn.generation.formats import json_escape
        from charrnn.generation.writer import Writer
        from charrnn.training.device import computing
        from flows.cli.surprisal_rows import by_character, by_line, summary
    trained = find_checkpoint(params, wanted)
    network, data = trained.model(), trained.params.data
    of_lines = Writer(network, trained.vocabulary, data).of_lines
    with computing(trained.params.training, trained.threads):
        scored = score_text(network, trained.vocabulary, data, given, of_lines=of_lines, adapt=adapt, pieces=fast)
    form = form or ("tsv" if by else "summary")
    if form == "summary":
        rows = summary(scored)
    else:
        rows = by_line(scored, form) if by == "line" else by_character(scored, form)
    for row in rows:
        print(with_escapes(row, json_escape) if form == "jsonl" else row)
    return 0
