"""The flow `sample`: text from any trained model, for those who have Prefect's page and not this folder."""

import sys
from dataclasses import replace
from pathlib import Path

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from charrnn.config.loading import load_params
from charrnn.errors import ParamsError
from charrnn.generation.sampling import SampleRequest, known_prime, sample_many
from tasks.tracking.mlflow import Experiment
from tasks.tracking.trained_models import find_model


@flow(name="sample")
def sample(
    model: str = "charrnn",
    prime: str = "",
    length: int = 1000,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 1,
    num_samples: int = 1,
    overlays: list[str] | None = None,
    overrides: list[str] | None = None,
) -> list[str]:
    """Write text with a trained model; the flow run's artifact `sample` shows it.

    Args:
        model: a registered model as NAME, NAME@alias or NAME/VERSION, the id of a run, last, or a checkpoint file.
        prime: text to continue; characters the model has never seen are dropped.
        length: characters to write in each text.
        temperature: 0 always takes the likeliest character, 1 samples as learnt.
        top_k: draw from the k likeliest characters only.
        top_p: draw from the likeliest characters that together have this probability.
        seed: same seed, same text.
        num_samples: texts, with seeds seed, seed + 1, ...
        overlays: parameter files merged over params.yaml, in order.
        overrides: single parameters, such as tracking.uri=http://127.0.0.1:5000.
    """
    if num_samples < 1:
        raise ParamsError(f"num_samples: must be >= 1, got {num_samples}")
    request = SampleRequest("", length, temperature, seed, top_k, top_p)
    params = load_params(overlays or [], overrides or [])
    checkpoint = find_model(Experiment(params.tracking, params.data), model).checkpoint
    prime, _ = known_prime(prime, checkpoint.vocabulary)
    requests = [replace(request, prime=prime, seed=seed + number) for number in range(num_samples)]
    texts = [prime + text for text in sample_many(checkpoint.model(), checkpoint.vocabulary, requests)]
    # Indented, so that whatever a text holds it ends no block.
    blocks = ["\n".join(f"    {line}" for line in text.split("\n")) for text in texts]
    create_markdown_artifact("\n\n---\n\n".join(blocks), key="sample", description=f"text from {model}")
    return texts
