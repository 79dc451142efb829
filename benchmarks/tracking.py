"""Row 13: what tracking costs: the same updates in the pipeline and in the library's loop.

In the pipeline everything is on: MLflow metrics, checkpoints, samples at evaluations, system metrics, progress in
Prefect. In the loop the library's generator is read and nothing is done with its events.
"""

from benchmarks.pipelines import encoded, run_pipeline
from benchmarks.runner import Bench, Figure, alternate, seconds
from charrnn.dataset import split
from charrnn.device import choose_device, computing
from charrnn.state import new_state
from charrnn.streams import Streams
from charrnn.training import train
from flows.temporary_server import temporary_server

CHANGES = ("training.max_steps=1800", "training.max_minutes=null")
PAIRS = 3


def measure(bench: Bench) -> list[Figure]:
    params, dataset = encoded(bench, *CHANGES)
    splits, ids, vocabulary = split(dataset.length, params.splits), dataset.ids(), dataset.vocabulary()
    training, device = params.training, choose_device(params.training)

    def alone() -> float:
        streams = Streams(splits.select(ids, "train"), training.batch_size, training.seq_length, device)
        val_streams = Streams(splits.select(ids, "val"), params.evaluation.batch_size, training.seq_length, device)
        state = new_state(params.model, training, vocabulary.size, streams.batch_size, device)
        with computing(training):
            return seconds(lambda: list(train(state, streams, val_streams, params)))

    with temporary_server():
        _, _, ratio = alternate(lambda: run_pipeline(bench, *CHANGES).training.seconds, alone, PAIRS)
    what = "a default training in the pipeline against the library's loop"
    return [Figure("13", what, "<= 103 %", f"{ratio:.1%}", ratio <= 1.03)]
