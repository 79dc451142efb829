"""The plan of a sweep: how its trials are named."""

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.config.space import parse_space
from flows.sweeps.plan import Plan
from tasks.tracking.runs import TRIAL_TAG


def test_the_best_run_says_of_which_trial_it_is() -> None:
    # A sweep that was made longer has another best trial: the run of the one before must not be taken for its.
    plan = Plan(load_params(), parse_space("training.seed: [1, 2]", "space", Params()), 2, "none")
    named = [plan.best_params({"training.seed": 1}, "sweep", number).tracking.tags[TRIAL_TAG] for number in (0, 3)]
    assert named == ["best-0", "best-3"]
