"""Task: the texts a trained model writes, at several temperatures."""

import logging

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.generation.formats import default_format, listed
from charrnn.generation.options import with_seeds
from charrnn.generation.writer import Writer
from charrnn.training.device import computing
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.runs import SAMPLES_FILE, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def sample(params: Params, run: RunRef) -> list[list[str]]:
    """Write texts from the best checkpoint and log them: a file for each temperature, and all in one table.

    Returns:
        The texts of each temperature.
    """
    tracker, checkpoint = Tracker(run), load_from_run(run)
    writer = Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data)
    count = params.sampling.count(writer.data.has_documents)
    groups = []
    for number, options in enumerate(params.sampling.options()):
        prepared, warnings = writer.prepare(options)
        for warning in () if number else warnings:  # the same for each temperature
            logger.warning("warning   sampling.%s", warning)
        with computing(params.training):
            texts = list(writer.write(with_seeds(prepared, count), logprobs=True))
        listing = texts[0].text if count == 1 else listed(texts, default_format(writer))
        tracker.text(listing, f"samples/temperature-{options.temperature:g}.txt")
        groups.append(texts)
    # The table in the UI shows its first few columns.
    rows = [
        {
            "temperature": one.options.temperature,
            "text": one.text,
            "seed": one.options.seed,
            **one.options.model_dump(),
            "logprob": one.logprob,
        }
        for texts in groups
        for one in texts
    ]
    tracker.table(pd.DataFrame(rows), SAMPLES_FILE)
    logger.info("sample    %d texts of at most %d characters", len(rows), params.sampling.length)
    return [[one.text for one in texts] for texts in groups]
