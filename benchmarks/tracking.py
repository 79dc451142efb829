"""What tracking costs: the same training steps in the pipeline and in the bare loop, in turn, on the same machine.

    python benchmarks/tracking.py --corpus FILE [--steps 3000] [--pairs 3]

In the pipeline everything is on: MLflow metrics, checkpoints, samples at evaluations, system metrics, progress in
Prefect. In the bare loop the library's generator is read and nothing is done with its events. Both train the default
model; the figure is the median over the pairs of pipeline time / loop time.
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tasks  # noqa: F401  # the settings that Prefect and MLflow read when they are imported
from charrnn.corpus import fetch_corpus
from charrnn.dataset import encode_corpus, split
from charrnn.device import choose_device, computing
from charrnn.param_files import load_params
from charrnn.params import Params
from charrnn.state import new_state
from charrnn.streams import Streams
from charrnn.training import train
from flows.pipeline import pipeline
from flows.temporary_server import temporary_server


def overrides(corpus: Path, folder: Path, steps: int) -> list[str]:
    return [
        f"data.sources=['{corpus.resolve()}']",
        f"data.directory={folder}/data",
        f"tracking.uri=sqlite:///{folder}/mlruns/mlflow.db",
        f"training.max_steps={steps}",
        "training.max_minutes=null",
    ]


def loop_seconds(params: Params) -> float:
    """Train in the bare loop; return the time it took (s), evaluations included."""
    dataset = encode_corpus(fetch_corpus(params.data), params.data)
    splits, ids, vocabulary = split(dataset.length, params.splits), dataset.ids(), dataset.vocabulary()
    device = choose_device(params.training)
    with computing(params.training):
        training, seq_length = params.training, params.training.seq_length
        streams = Streams(splits.select(ids, "train"), training.batch_size, seq_length, device)
        val_streams = Streams(splits.select(ids, "val"), params.evaluation.batch_size, seq_length, device)
        state = new_state(params.model, training, vocabulary.size, streams.batch_size, device)
        started = time.monotonic()
        for _ in train(state, streams, val_streams, params):
            pass
        return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="a text file")
    parser.add_argument("--steps", type=int, default=3000, help="updates in each run (default 3000)")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each kind (default 3)")
    arguments = parser.parse_args()
    logging.getLogger("prefect").setLevel(logging.ERROR)
    ratios = []
    with tempfile.TemporaryDirectory() as folder, temporary_server():
        changes = overrides(arguments.corpus, Path(folder), arguments.steps)
        params = load_params(overrides=changes)
        for _ in range(arguments.pairs):
            alone = loop_seconds(params)
            whole = pipeline(overrides=changes).training.seconds
            ratios.append(whole / alone)
            print(json.dumps({"loop_seconds": alone, "pipeline_seconds": whole, "ratio": whole / alone}))
    print(json.dumps({"median_ratio": statistics.median(ratios)}))


if __name__ == "__main__":
    main()
