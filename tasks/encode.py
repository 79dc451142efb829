"""Task: the text as ids on disk, and a check that it is long enough to train on."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.corpus import Corpus
from charrnn.dataset import Dataset, check_length, encode_corpus, split
from charrnn.params import Params
from tasks.terminal import bar

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def encode(corpus: Corpus, params: Params) -> Dataset:
    """Encode the corpus, or find it encoded. Raises as `encode_corpus`, `split` and `check_length`."""
    with bar("encode") as progress:
        dataset = encode_corpus(
            corpus, params.data, lambda done: progress.update(None, f"{done / 1e6:.0f} M characters read")
        )
    splits = split(dataset.length, params.splits)
    check_length(splits, params.training)
    known = dataset.vocabulary().size - 1
    state = "encoding re-used" if dataset.cached else "encoded"
    sizes = ", ".join(f"{name} {size:,}" for name, size in splits.sizes.items())
    logger.info("encode    %s characters, %d distinct, %s (%s)", f"{dataset.length:,}", known, state, sizes)
    if dataset.dropped:
        logger.warning("warning   %s characters rarer than data.min_count were dropped", f"{dataset.dropped:,}")
    return dataset
