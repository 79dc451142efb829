"""Task: a new version of the registered model, from the best checkpoint."""

import logging
import tempfile
from importlib.metadata import version
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import Params
from charrnn.generation.writer import Writer
from charrnn.training.checkpoint import save_checkpoint
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.runs import BEST, CARD_HEADING, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")

# What `charrnn.serving` imports; the model pins these, not the whole pipeline.
REQUIREMENTS = ("torch", "safetensors", "numpy", "pandas", "psutil", "pydantic", "pyyaml")


@task(cache_policy=NO_CACHE)
def register(params: Params, run: RunRef, card: str = "") -> str:
    """Register the best checkpoint under `tracking.registered_model`, with its model card as the description.

    Returns:
        The version; '' when none is wanted, or when the tracking store is away and gives it later.
    """
    name = params.tracking.registered_model
    if name is None:
        return ""
    checkpoint = load_from_run(run)
    writer = Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data)
    first = "" if writer.data.has_documents else "\n"
    prepared, _ = writer.prepare(SamplingOptions(prime=params.sampling.prime or first))
    fields = SamplingOptions.model_fields.items()
    example = {option: field.examples[0] if field.examples else field.default for option, field in fields}
    example["prime"] = prepared.prime
    # The build label (+cpu, +cu130) names a wheel, not a version on the package index.
    requirements = [f"{package}=={version(package).partition('+')[0]}" for package in REQUIREMENTS]
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / BEST
        sha256 = save_checkpoint(data, checkpoint)
        number = Tracker(run).register(name, data, sha256, requirements, example, card and f"{CARD_HEADING}\n\n{card}")
    logger.info("register  %s %s", name, f"version {number}" if number else "when the tracking store is back")
    return number
