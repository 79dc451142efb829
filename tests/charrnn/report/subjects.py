"""Small models with the text that they might have been trained on; untrained, unless a test needs more."""

from collections.abc import Sequence

import numpy as np
import torch

from charrnn.config.loading import load_params
from charrnn.data.hashing import hash_documents
from charrnn.data.splits import Units, split
from charrnn.data.vocabulary import Vocabulary
from charrnn.report.subject import History, Subject
from charrnn.training.checkpoint import checkpoint_of
from charrnn.training.state import new_state

SMALL = ["model.hidden_size=6", "model.embedding_size=4", "sampling.length=80", "sampling.num_samples=2"]
HOSTILE = (
    "</script><script>throw 1</script><img src=x onerror=alert(1)>"
    "\u202e\u05d0\u05d1\u202c\x07\U0001f600 e\u0301 {name} &amp;\n"
)


def vocabulary_of(text: str) -> Vocabulary:
    known = "".join(sorted(set(text)))
    return Vocabulary(known, tuple(map(text.count, known)), tuple(map(text.index, known)))


def subject_of(
    text: str | Sequence[str], *overrides: str, history: History | None = None, name: str = "a model"
) -> Subject:
    """Return a model of `text`, one stream or documents, with its splits."""
    streams = isinstance(text, str)
    given = [] if streams else ["data.documents=lines"]
    params = load_params([], [*SMALL, "splits.val_fraction=0.4", *given, *overrides])
    vocabulary = vocabulary_of("".join(text))
    torch.manual_seed(1)
    state = new_state(params.model, params.training, vocabulary.size, 1, torch.device("cpu"))
    if streams:
        ids = vocabulary.encode("".join(text))
        units = Units(None, None, np.array([len(ids)]), np.array([1], dtype=np.uint64))
    else:
        stop = np.array([vocabulary.stop_id], dtype=vocabulary.dtype)
        ids = np.concatenate([stop, *(part for one in text for part in (vocabulary.encode(one), stop))])
        ends = 1 + np.cumsum([len(one) + 1 for one in text])
        units = Units(ends, hash_documents(list(text)), ends[-1:], np.array([1], dtype=np.uint64))
    checkpoint = checkpoint_of(state, params, vocabulary, "0123" * 16, "")
    return Subject(name, checkpoint, split(ids, units, params.splits), history)
