"""`charrnn sample`: text from any trained model, a run's, a checkpoint file's or a registered one."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.config.loading import load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import Params
from charrnn.errors import FileError, ParamsError
from charrnn.files import explain
from charrnn.generation.options import read_options, with_seeds
from flows.cli.command import Overlays, Overrides
from flows.cli.derived import with_fields
from flows.cli.errors import interruptible
from tasks.tracking.naming import kind_of

if TYPE_CHECKING:
    from charrnn.training.checkpoint import Checkpoint

EXAMPLES = [
    ("last", "text from the newest run"),
    ("charrnn --prime 'ROMEO:' --temperature 0.7 --length 500", "from a registered model"),
    ("data/checkpoints/RUN_ID/best.ckpt --num-samples 3 --seed 7", "from a checkpoint file"),
    ("echo 'To be, or not' | {} last --prime-file -", ""),
]


@with_fields(
    SamplingOptions, before="prime_file", metavars={"temperature": "T", "top_k": "K", "top_p": "P", "seed": "S"}
)
def sample(
    *,
    wanted: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="A trained model: last, RUN_ID, a checkpoint FILE, or a registered NAME, NAME@alias or NAME/VERSION.",
        ),
    ] = None,
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
    stream: Annotated[
        bool, typer.Option("--stream", help="Write characters as they come (always so in a terminal).")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a prime with characters the model has never seen.")
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
    if options["stop"] == "":
        raise ParamsError("--until: must not be empty")
    if prime_file is not None:
        if options["prime"]:
            raise ParamsError("--prime-file: not allowed with --prime")
        options["prime"] = _read_prime(prime_file)
    # The last seed, too, is checked before anything is written. The prime is not: bytes of it that do not
    # decode are characters that no model has seen.
    numbered = with_seeds(read_options({**options, "prime": ""}), num_samples)
    params = load_params(overlays, overrides)
    with interruptible():
        from charrnn.generation.sampling import known_prime, stream_many
    trained = _load(params, wanted=wanted, run=run, checkpoint=checkpoint, model=model)
    prime, message = known_prime(options["prime"], trained.vocabulary)
    if message and strict:
        raise ParamsError(message)
    if message:
        print(f"warning: {message}; dropped", file=sys.stderr)
    network = trained.model()
    for one in numbered:
        if num_samples > 1:
            print(f"--- seed {one.seed} ---")
        primed = one.model_copy(update={"prime": prime})
        characters = (texts[0] for texts in stream_many(network, trained.vocabulary, [primed]))
        _write(prime, characters, stream=stream or sys.stdout.isatty())
    return 0


def _read_prime(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise explain(error, "read the prime", Path(file)) from None
    except UnicodeDecodeError as error:
        raise FileError(f"{file}: is not UTF-8 text (byte offset {error.start})") from None


def _load(
    params: Params, *, wanted: str | None, run: str | None, checkpoint: str | None, model: str | None
) -> "Checkpoint":
    """Find the checkpoint that one of these names: a trained model of any kind, a run, a file, a registered model."""
    from charrnn.training.checkpoint import load_checkpoint

    if checkpoint is None and wanted is not None and kind_of(wanted) == "file":
        checkpoint = wanted
    if checkpoint is not None:
        # Without MLflow, whose import takes seconds.
        return load_checkpoint(Path(checkpoint))
    with interruptible():
        from tasks.tracking.checkpoints import load_from_run
        from tasks.tracking.mlflow import Experiment
        from tasks.tracking.trained_models import find_model, load_registered
    experiment = Experiment(params.tracking, params.data)
    if run is not None:
        return load_from_run(experiment.find_run(run))
    if model is not None:
        return load_registered(experiment.store, model)
    assert wanted is not None
    return find_model(experiment, wanted).checkpoint


def _write(prime: str, characters: Iterable[str], *, stream: bool) -> None:
    """Print the text as it comes, or at once when it is whole."""
    if stream:
        print(prime, end="", flush=True)
        for character in characters:
            print(character, end="", flush=True)
        print()
    else:
        print(prime + "".join(characters))
