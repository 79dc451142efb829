"""The flow `sample`: text from any trained model, for people who use Prefect's page.

As a script, this file is `charrnn sample`, which runs no flow.
"""

import inspect
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

# As a script, Python puts flows/ on the path, not the folder the packages are in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    # Before the imports below, which take seconds.
    from flows.cli.entry import script

    script("sample")

from prefect import flow

from charrnn.config.loading import load_params
from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import ParamsError
from charrnn.generation.formats import as_line, default_format
from charrnn.generation.options import read_options, with_seeds
from charrnn.generation.writer import Writer
from flows.artifacts import leave_page
from tasks.tracking.mlflow import Experiment
from tasks.tracking.trained_models import find_model

logger = logging.getLogger("charrnn")

F = TypeVar("F", bound=Callable[..., Any])


def naming_options(function: F) -> F:
    """Put the sampling options in place of `**options` in the signature of `function`, after its first parameter.

    Prefect makes the form of a flow from its signature and from the `Args` at the end of its docstring.
    """
    signature = inspect.signature(function)
    first, *rest = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    fields = SamplingOptions.model_fields
    options = [
        inspect.Parameter(name, first.KEYWORD_ONLY, default=field.default, annotation=field.rebuild_annotation())
        for name, field in fields.items()
    ]
    function.__dict__["__signature__"] = signature.replace(parameters=[first, *options, *rest])
    lines = [f"    {name}: {' '.join((field.description or '').split())}" for name, field in fields.items()]
    function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), *lines])
    return function


# Values are checked here and not by Prefect: a mistake is reported in one line, as everywhere.
@flow(name="sample", validate_parameters=False)
@naming_options
def sample(
    model: str = "charrnn",
    *,
    num_samples: int = 1,
    overlays: list[str] | None = None,
    overrides: list[str] | None = None,
    **options: Any,
) -> list[str]:
    """Write text with a trained model; the flow run's artifact `sample` shows it.

    Args:
        model: a registered model as NAME, NAME@alias or NAME/VERSION, the id of a run, last, or a checkpoint file.
        num_samples: texts, with seeds seed, seed + 1, ...
        overlays: parameter files merged over params.yaml, in order.
        overrides: single parameters, such as tracking.uri=http://127.0.0.1:5000.
        **options: fields of SamplingOptions.
    """
    if num_samples < 1:
        raise ParamsError(f"num_samples: must be >= 1, got {num_samples}")
    first, *_ = numbered = with_seeds(read_options(options), num_samples)
    params = load_params(overlays or [], overrides or [])
    checkpoint = find_model(Experiment(params.tracking, params.data), model).checkpoint
    writer = Writer(checkpoint.model(), checkpoint.vocabulary, checkpoint.params.data)
    prepared, warnings = writer.prepare(first)
    for warning in warnings:
        logger.warning("warning   %s", warning)
    several = [prepared.model_copy(update={"seed": one.seed}) for one in numbered]
    texts = [written.text for written in writer.write(several)]
    lines = default_format(writer) == "lines"
    blocks = ["\n".join(map(as_line, texts))] if lines else texts
    leave_page("\n\n---\n\n".join(map(_as_code, blocks)), key="sample", description=f"text from {model}")
    return texts


def _as_code(text: str) -> str:
    """Return Markdown that shows `text` as it is: indented, so that nothing in it can end the code block."""
    return "\n".join(f"    {line}" for line in text.split("\n"))
