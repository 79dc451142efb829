"""Task: the text as ids on disk, and a check that it is long enough to train on."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.data.corpus import Corpus
from charrnn.data.dataset import Dataset, encode_corpus
from charrnn.data.encodings import guess_warnings
from charrnn.data.filters import described
from charrnn.data.layout import check_shares
from charrnn.data.records import headers_taken
from charrnn.data.splits import check_length
from charrnn.terminal import bar
from charrnn.wording import counted

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def encode(corpus: Corpus, params: Params, known: str = "") -> Dataset:
    """Encode the corpus, or find it encoded.

    Raises as `encode_corpus`, `Dataset.splits`, `check_length` and `check_shares`.

    Args:
        corpus: the text.
        params: how it is read, split and cut into windows.
        known: the characters of the model that training starts from; '' where it starts from none.
    """
    with bar("encode") as progress:
        dataset = encode_corpus(
            corpus, params.data, lambda done: progress.update(None, f"{done / 1e6:.0f} M characters read"), known
        )
    splits = dataset.splits(params.splits)
    check_length(splits, params.training)
    check_shares(splits, params.training)
    distinct = dataset.vocabulary().occurring
    state = "prepared earlier" if dataset.cached else "prepared"
    counts = splits.sizes if splits.documents is None else {name: len(one) for name, one in splits.documents.items()}
    sizes = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    documents = "" if dataset.documents is None else f" in {counted(dataset.documents, 'document')}"
    logger.info(
        "encode    %s characters%s, %d distinct, %s (%s)", f"{dataset.characters:,}", documents, distinct, state, sizes
    )
    for header in headers_taken(corpus.files, params.data):
        logger.info("encode    %s", header)
    if dataset.left_out:
        logger.info("encode    documents left out: %s", described(dataset.left_out, params.data))
    for warning in guess_warnings(corpus.files, params.data):
        logger.warning("warning   %s", warning)
    if dataset.dropped:
        logger.warning("warning   %s characters rarer than data.min_count were dropped", f"{dataset.dropped:,}")
    return dataset
