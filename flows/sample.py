"""Text from any trained model: a run's, a checkpoint file's, a registered one.

See `python flows/sample.py --help`.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    # Help, mistakes and Ctrl-C are answered before the seconds that the imports below take.
    from flows.cli.command_line import interruptible, sample_parser

    interruptible()
    ARGUMENTS = sample_parser().parse_args()


from charrnn.config.loading import load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import FileError, ParamsError
from charrnn.files import explain
from charrnn.generation.options import read_options, with_seeds
from charrnn.generation.sampling import known_prime, stream_many
from charrnn.training.checkpoint import Checkpoint, load_checkpoint
from flows.cli.command_line import guarded


def main(arguments: argparse.Namespace) -> int:
    """Write the texts that `arguments` ask for to standard output. Raises CharrnnError for bad input."""
    if arguments.num_samples < 1:
        raise ParamsError(f"--num-samples: must be >= 1, got {arguments.num_samples}")
    if arguments.until == "":
        raise ParamsError("--until: must not be empty")
    values = {name: getattr(arguments, name) for name in SamplingOptions.model_fields if name not in ("prime", "stop")}
    # The last seed too is checked before anything is written.
    numbered = with_seeds(read_options({**values, "stop": arguments.until}), arguments.num_samples)
    prime = _read_prime(arguments)
    checkpoint = _load(arguments)
    prime, message = known_prime(prime, checkpoint.vocabulary)
    if message and arguments.strict:
        raise ParamsError(message)
    if message:
        print(f"warning: {message}; dropped", file=sys.stderr)
    model = checkpoint.model()
    for one in numbered:
        if arguments.num_samples > 1:
            print(f"--- seed {one.seed} ---")
        primed = one.model_copy(update={"prime": prime})
        characters = (texts[0] for texts in stream_many(model, checkpoint.vocabulary, [primed]))
        _write(prime, characters, stream=arguments.stream or sys.stdout.isatty())
    return 0


def _read_prime(arguments: argparse.Namespace) -> str:
    if arguments.prime_file is None:
        return str(arguments.prime)
    try:
        data = sys.stdin.buffer.read() if arguments.prime_file == "-" else Path(arguments.prime_file).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise explain(error, "read the prime", Path(arguments.prime_file)) from None
    except UnicodeDecodeError as error:
        raise FileError(f"{arguments.prime_file}: is not UTF-8 text (byte offset {error.start})") from None


def _load(arguments: argparse.Namespace) -> Checkpoint:
    """Find the checkpoint of the run, file or registered model."""
    if arguments.checkpoint is not None:
        return load_checkpoint(Path(arguments.checkpoint))
    params = load_params(arguments.params, arguments.overrides)
    # A checkpoint file needs no MLflow, and is not made to wait for its import.
    from tasks.tracking.checkpoints import load_from_run
    from tasks.tracking.mlflow import Experiment
    from tasks.tracking.trained_models import load_registered

    experiment = Experiment(params.tracking, params.data)
    if arguments.run is not None:
        return load_from_run(experiment.find_run(arguments.run))
    return load_registered(experiment.store, arguments.model)


def _write(prime: str, characters: Iterable[str], *, stream: bool) -> None:
    """Print the text as it comes, or at once when it is whole."""
    if stream:
        print(prime, end="", flush=True)
        for character in characters:
            print(character, end="", flush=True)
        print()
    else:
        print(prime + "".join(characters))


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(ARGUMENTS)))
