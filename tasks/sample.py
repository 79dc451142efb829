"""Task: the text a trained model writes, at several temperatures."""

import logging

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.generation.sampling import known_prime, sample_many
from charrnn.training.device import computing
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.runs import SAMPLES_FILE, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")


@task(cache_policy=NO_CACHE)
def sample(params: Params, run: RunRef) -> list[str]:
    """Write one text for each temperature from the best checkpoint; log each, and all in one table; return them."""
    tracker = Tracker(run)
    checkpoint = load_from_run(run)
    prime, message = known_prime(params.sampling.prime, checkpoint.vocabulary)
    if message:
        logger.warning("warning   sampling.prime: %s; dropped", message.removeprefix("prime: "))
    options = [one.model_copy(update={"prime": prime}) for one in params.sampling.options()]
    with computing(params.training):
        texts = sample_many(checkpoint.model(), checkpoint.vocabulary, options)
    for one, text in zip(options, texts, strict=True):
        tracker.text(prime + text, f"samples/temperature-{one.temperature:g}.txt")
    # The table in the UI shows its first few columns.
    rows = [
        {"temperature": one.temperature, "text": prime + text, **one.model_dump()}
        for one, text in zip(options, texts, strict=True)
    ]
    tracker.table(pd.DataFrame(rows), SAMPLES_FILE)
    logger.info("sample    %d texts of %d characters", len(texts), params.sampling.length)
    return [prime + text for text in texts]
