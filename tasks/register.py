"""Task: a new version of the registered model, from the best checkpoint."""

import logging
import tempfile
from importlib.metadata import version
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import AUTO, DEFAULT_MODEL, Params
from charrnn.generation.writer import Writer
from charrnn.training.checkpoint import save_checkpoint
from tasks.tracking.checkpoints import load_from_run
from tasks.tracking.naming import model_suffix
from tasks.tracking.runs import BEST, CARD_HEADING, ModelVersion, RunRef
from tasks.tracking.tracker import Tracker

logger = logging.getLogger("charrnn")

# What `charrnn.serving` imports; the model pins these, not the whole pipeline.
REQUIREMENTS = ("torch", "safetensors", "numpy", "pandas", "psutil", "pydantic", "pyyaml")


@task(cache_policy=NO_CACHE)
def register(params: Params, run: RunRef, text: str, card: str = "") -> ModelVersion | None:
    """Register the best checkpoint under `tracking.registered_model`, with its model card as the description.

    Args:
        params: of the run.
        run: in whose store it is registered.
        text: what the text is called; where the parameters leave the model's name open, it may become a part of it.
        card: the model card.

    Returns:
        The version, without name and number when the tracking store is away and gives them later; None when none is
        wanted.
    """
    name = params.tracking.registered_model
    if name is None:
        return None
    suffix = model_suffix(text) if name == AUTO else ""
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
        description = card and f"{CARD_HEADING}\n\n{card}"
        base = DEFAULT_MODEL if name == AUTO else name
        found = Tracker(run).register(base, data, sha256, requirements, example, description, checkpoint.step, suffix)
    line = f"{found.name} version {found.number}" if found.number else "when the tracking store is back"
    own = " (a model of its own: those before it are of other texts)" if found.name not in ("", base) else ""
    logger.info("register  %s%s", line, own if found.number == "1" else "")
    return found
