"""Task: the text, from the first source that answers."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import DataParams
from charrnn.data.corpus import Corpus, fetch_corpus
from charrnn.data.sources import parse_source
from charrnn.terminal import bar

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def download(params: DataParams) -> Corpus:
    """Fetch the corpus, or find it in the cache. Raises as `fetch_corpus`."""
    with bar("download") as progress:
        corpus = fetch_corpus(
            params,
            lambda done, total: progress.update(total and done / total, f"{done / 1e6:.1f} MB"),
        )
    for warning in corpus.warnings:
        logger.warning("warning   %s; the next source is taken", warning)
    is_local = any(source.is_local for source in map(parse_source, params.sources) if source.name == corpus.source)
    how = "read" if is_local else "cached" if corpus.cached else "fetched"
    logger.info("download  %s: %.2f MB, %s", corpus.label, corpus.size / 1e6, how)
    return corpus
