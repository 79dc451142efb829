"""`charrnn sample`: text from any trained model, a run's, a checkpoint file's or a registered one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.config.loading import load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import Params
from charrnn.config.typed_text import typed_text
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError
from charrnn.generation.options import read_options, with_seeds
from charrnn.undecodable import decoded
from flows.cli.command import Overlays, Overrides
from flows.cli.derived import flags, with_fields
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, find_checkpoint, read_text
from flows.cli.output import with_escapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charrnn.generation.writer import Written
    from charrnn.training.checkpoint import Checkpoint

EXAMPLES = [
    ("last", "text from the newest run"),
    ("charrnn --prime 'ROMEO:' --temperature 0.7 --length 500", "from a registered model"),
    ("data/checkpoints/RUN_ID/best.ckpt --num-samples 3 --seed 7", "from a checkpoint file"),
    ("last --num-samples 300 --format jsonl", "with seed, log-probability and whether it is new"),
    ("echo 'To be, or not' | {} last --prime-file -", ""),
]


@with_fields(
    SamplingOptions, before="prime_file", metavars={"temperature": "T", "top_k": "K", "top_p": "P", "seed": "S"}
)
def sample(
    *,
    wanted: Annotated[str | None, MODEL] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID|last", help="Instead of MODEL: the best checkpoint of a run.")
    ] = None,
    checkpoint: Annotated[str | None, typer.Option(metavar="FILE", help="Instead of MODEL: a checkpoint file.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[@alias]",
            help="Instead of MODEL: a registered model, its newest version without alias.",
        ),
    ] = None,
    prime_file: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="File with the text to continue; - is standard input.")
    ] = None,
    num_samples: Annotated[int, typer.Option(metavar="N", help="Texts, with seeds S, S+1, ...")] = 1,
    form: Annotated[
        Literal["text", "lines", "jsonl"] | None,
        typer.Option(
            "--format",
            show_default=False,
            help="text: as it is, below its seed where there are several. lines: one text a line; line ends and "
            "control characters in it are escaped, a line end at its end is not repeated. jsonl: a JSON object a "
            "line: seed, text, logprob (log-probability of what follows the prime, nats), new (whether it is none of "
            "the documents of the text it was trained on, held out or not; null for a stream, or where that text is "
            "not on this machine). Without it: lines where the model has learnt documents without line ends, else "
            "text.",
        ),
    ] = None,
    stream: Annotated[
        bool,
        typer.Option("--stream", help="Write characters as they come, as --format text (in a terminal, one text is)."),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Refuse a prime, or an --until, with characters the model has never seen."),
    ] = False,
    overlays: Overlays,
    overrides: Overrides,
    **options: Any,
) -> int:
    """Write text with a trained model, on the CPU wherever it was trained."""
    one_model = {"MODEL": wanted, "--run": run, "--checkpoint": checkpoint, "--model": model}
    given = [name for name, value in one_model.items() if value is not None]
    if len(given) != 1:
        found = f"got {' and '.join(given)}" if given else "got none"
        raise ParamsError(f"MODEL: exactly one of MODEL, --run, --checkpoint and --model must be given, {found}")
    if num_samples < 1:
        raise ParamsError(f"--num-samples: must be >= 1, got {num_samples}")
    if stream and form not in (None, "text"):
        raise ParamsError(f"--stream: not allowed with --format {form}, only with --format text")
    for name in ("prime", "stop"):
        options[name] = options[name] and decoded(options[name])
    if options["stop"] is not None:
        options["stop"] = typed_text(options["stop"], "--until", separates=True)
    if options["stop"] == "":
        raise ParamsError("--until: must not be empty")
    if prime_file is not None:
        if options["prime"]:
            raise ParamsError("--prime-file: not allowed with --prime")
        options["prime"] = read_text(prime_file, "the prime")
    # The last seed, too, is checked before anything is written. The prime is not: bytes of it that do not
    # decode are characters that no model has seen.
    names = flags(SamplingOptions)
    first, *_ = numbered = with_seeds(read_options({**options, "prime": ""}, names), num_samples, names)
    params = load_params(overlays, overrides)
    with interruptible():
        from charrnn.generation.formats import default_format, json_escape, shown
        from charrnn.generation.writer import Writer
    trained = _load(params, wanted=wanted, run=run, checkpoint=checkpoint, model=model)
    writer = Writer(trained.model(), trained.vocabulary, trained.params.data)
    # The options differ in their seeds only.
    prepared, warnings = writer.prepare(first.model_copy(update={"prime": options["prime"]}), strict=strict)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    form = form or ("text" if stream else default_format(writer))
    several = [prepared.model_copy(update={"seed": one.seed}) for one in numbered]
    alone = num_samples == 1
    if form == "text" and (stream or (alone and sys.stdout.isatty())):
        for one in several:
            if not alone:
                print(f"--- seed {one.seed} ---")
            for piece in writer.stream(one):
                print(piece, end="", flush=True)
            print()
        return 0
    if form == "jsonl":
        texts = list(writer.write(several, logprobs=True))
        for written, new in zip(texts, _are_new(texts, params, trained), strict=True):
            print(with_escapes(shown(written, form, new=new), json_escape))
    else:
        for written in writer.write(several):
            print(shown(written, form, alone=alone))
    return 0


def _are_new(texts: "Sequence[Written]", params: Params, trained: "Checkpoint") -> list[bool] | list[None]:
    """Return whether each text is none of the documents that `trained` has learnt; None for a stream, or unknown."""
    from charrnn.data.dataset import find_encoded
    from charrnn.evaluation.novelty import stands_in

    documents = trained.params.data.has_documents
    dataset = find_encoded(DataFolder(Path(params.data.directory)), trained.data_digest) if documents else None
    if dataset is None:
        return [None] * len(texts)
    new: list[bool] = (~stands_in([one.text for one in texts], dataset.hashes())).tolist()
    return new


def _load(
    params: Params, *, wanted: str | None, run: str | None, checkpoint: str | None, model: str | None
) -> "Checkpoint":
    """Find the checkpoint that one of these names: a trained model of any kind, a run, a file, a registered model."""
    if wanted is not None:
        return find_checkpoint(params, wanted)
    if checkpoint is not None:
        from charrnn.training.checkpoint import load_checkpoint

        return load_checkpoint(Path(checkpoint))
    with interruptible():
        from tasks.tracking.checkpoints import load_from_run
        from tasks.tracking.mlflow import Experiment
        from tasks.tracking.trained_models import load_registered
    experiment = Experiment(params.tracking, params.data)
    if run is not None:
        return load_from_run(experiment.find_run(run))
    assert model is not None
    return load_registered(experiment.store, model)
