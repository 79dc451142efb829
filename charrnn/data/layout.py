"""Lays a split out as windows: one long text as parallel streams, documents or parts of a text as pieces."""

import numpy as np
import torch

from charrnn.config.schema import EvaluationParams, TrainingParams
from charrnn.data.pieces import Pieces
from charrnn.data.positions import Positions
from charrnn.data.splits import Splits
from charrnn.data.streams import Streams
from charrnn.data.windows import Windows
from charrnn.errors import CorpusError, ParamsError

# Parts that the spans of a stream are cut into, for each of the streams side by side: the more, the more evenly they
# are filled, and the more often one begins without context.
PARTS = 8
# Windows of a part, at least: the last one is not full.
PART_WINDOWS = 8
# Characters of a stream that is evaluated, at least: each begins without context, where a model predicts badly.
EVALUATED = 1000


def lay_out(
    splits: Splits,
    name: str,
    batch_size: int,
    seq_length: int,
    device: torch.device,
    *,
    stop_id: int | None = None,
    seed: int = 0,
    most: int | None = None,
) -> Windows:
    """Return the windows of the split `name`, which must have characters in it.

    Args:
        splits: of the text.
        name: train, val or test.
        batch_size: streams wanted (count).
        seq_length: most characters in a window (count).
        device: where windows are wanted.
        stop_id: of the stop symbol, which fills the last streams of one long text; None drops the remainder instead.
        seed: random seed of the order of pieces.
        most: of pieces, a random sample of whole ones that has at most so many characters, or one piece; None for all.

    Raises:
        CorpusError: the split has fewer than two characters.
    """
    spans = splits.spans[name]
    if splits.documents is not None:
        # The stop symbol before a document is its first input.
        starts, ends = _sample(spans[:, 0] - 1, spans[:, 1], most)
        return Pieces(splits.text, starts, ends, batch_size, seq_length, device, seed)
    if len(spans) == 1:
        return Streams(splits.ids(name)[:], batch_size, seq_length, device, stop_id)
    starts, ends = cut(spans, PARTS * batch_size, seq_length)
    if not len(starts):
        raise CorpusError(f"a split needs at least 2 characters in a row, and {name} has none")
    starts, ends = _sample(starts, ends, most)
    return Pieces(splits.text, starts, ends, batch_size, seq_length, device, seed)


def check_shares(splits: Splits, training: TrainingParams) -> None:
    """Check that each of the processes that train together gets a stream. Raises as `lay_out`, and ParamsError."""
    if training.processes == 1:
        return
    streams = lay_out(splits, "train", training.batch_size, training.seq_length, torch.device("cpu")).batch_size
    if training.processes > streams:
        raise ParamsError(
            f"training.processes: must be at most {streams}, the streams that this text fills, got {training.processes}"
        )


def lay_out_evaluation(
    splits: Splits,
    name: str,
    evaluation: EvaluationParams,
    seq_length: int,
    device: torch.device,
    *,
    most: int | None = None,
) -> Windows:
    """Return the windows in which the split `name` is evaluated: a short one has fewer streams than are asked for.

    Arguments and errors are those of `lay_out`.
    """
    batch_size = evaluation.batch_size
    if splits.documents is None:
        batch_size = max(1, min(batch_size, splits.sizes[name] // EVALUATED))
    return lay_out(splits, name, batch_size, seq_length, device, most=most)


def _sample(starts: Positions, ends: Positions, most: int | None) -> tuple[Positions, Positions]:
    """Return pieces drawn at random, of all lengths, that have `most` characters at most, or the first drawn."""
    if most is None or int((ends - starts).sum()) - len(starts) <= most:
        return starts, ends
    order = np.random.default_rng(0).permutation(len(starts))
    characters = np.cumsum((ends - starts - 1)[order])
    kept = np.sort(order[: max(1, int(np.searchsorted(characters, most, side="right")))])
    return starts[kept], ends[kept]


def cut(spans: Positions, parts: int, seq_length: int) -> tuple[Positions, Positions]:
    """Cut `spans` into about `parts` parts of about the same length, or fewer where they would have too few windows.

    Parts of a span overlap by one id: the last that one part predicts is the first that the next one reads. Spans of
    one id have nothing to predict and are left out.

    Returns:
        First id, and past the last, of each part: (parts,) each.
    """
    starts, ends = [], []
    longest = max(PART_WINDOWS * seq_length, int((spans[:, 1] - spans[:, 0]).sum()) // parts)
    for start, end in spans.tolist():
        predictions = end - start - 1
        if predictions < 1:
            continue
        count = max(1, round(predictions / longest))
        bounds = start + predictions * np.arange(count + 1) // count
        starts.append(bounds[:-1])
        ends.append(bounds[1:] + 1)
    if not starts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(starts), np.concatenate(ends)
