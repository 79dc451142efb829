from typing import get_args

from charrnn.config.schema import TrainingParams
from charrnn.training.optimizers import OPTIMIZERS
from charrnn.training.schedules import SCHEDULES


def test_the_parameters_name_the_entries_of_the_tables() -> None:
    for field, table in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        assert set(get_args(TrainingParams.model_fields[field].annotation)) == set(table)
