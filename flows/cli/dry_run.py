"""What `charrnn train --dry-run` prints: the resolved parameters, and what a run with them would do."""

from charrnn.config.schema import AUTO, DEFAULT_MODEL, Params
from charrnn.config.writing import to_yaml
from charrnn.wording import counted


def dry_run(params: Params, resume: str | None, init_from: str | None) -> str:
    """Return the parameters as YAML that reads back, and the plan of the run in comments.

    Args:
        params: of the run.
        resume: the run that would go on.
        init_from: the trained model that a new run would start from.
    """
    plan = "".join(f"# {line}\n" for line in _plan(params, resume, init_from))
    return to_yaml(params) + plan


def _plan(params: Params, resume: str | None, init_from: str | None) -> list[str]:
    """Say what a run with `params` would do, a line a task."""
    training, model = params.training, params.model
    limits = {
        "epoch": training.epochs,
        "step": training.max_steps,
        "minute": training.max_minutes,
        "evaluation": training.patience,
    }
    ends = ", or ".join(counted(value, noun) for noun, value in limits.items() if value is not None)
    ends += " without improvement" if training.patience is not None else ""
    registered = params.tracking.registered_model
    if registered == AUTO:
        registered = (
            f"{DEFAULT_MODEL}, or as {DEFAULT_MODEL}-TEXT if the champion of {DEFAULT_MODEL} is of another text"
        )
    shape = f"{model.cell} {model.num_layers}x{model.hidden_size}"
    if init_from is not None:
        shape = f"the weights and model parameters of {init_from}, instead of those above,"
    return [
        "Would run, and has started nothing:" if resume is None else f"Would go on with run {resume}:",
        f"download  the first of {len(params.data.sources)} sources that answers, kept in {params.data.directory}",
        "encode    characters to ids, or find those of the same text, prepared earlier",
        f"train     {shape} until {ends}",
        "evaluate  the best checkpoint on the validation and test splits",
        f"sample    {params.sampling.length} characters at temperatures {list(params.sampling.temperatures)}",
        f"register  as {registered}" if registered else "register  nothing",
    ]
