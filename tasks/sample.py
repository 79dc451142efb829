"""Task: the text a trained model writes, at several temperatures."""

import logging
from dataclasses import asdict, replace

import pandas as pd
from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.schema import Params
from charrnn.generation.sampling import SampleRequest, known_prime, sample_many
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
    sampling = params.sampling
    prime, message = known_prime(sampling.prime, checkpoint.vocabulary)
    if message:
        logger.warning("warning   sampling.prime: %s; dropped", message.removeprefix("prime: "))
    request = SampleRequest(
        prime=prime, length=sampling.length, seed=sampling.seed, top_k=sampling.top_k, top_p=sampling.top_p
    )
    requests = [replace(request, temperature=temperature) for temperature in sampling.temperatures]
    with computing(params.training):
        texts = sample_many(checkpoint.model(), checkpoint.vocabulary, requests)
    for written, text in zip(requests, texts, strict=True):
        tracker.text(prime + text, f"samples/temperature-{written.temperature:g}.txt")
    # The table in the UI shows its first few columns.
    rows = [
        {"temperature": written.temperature, "text": prime + text, **asdict(written)}
        for written, text in zip(requests, texts, strict=True)
    ]
    tracker.table(pd.DataFrame(rows), SAMPLES_FILE)
    logger.info("sample    %d texts of %d characters", len(texts), sampling.length)
    return [prime + text for text in texts]
