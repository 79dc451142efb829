"""Where the study of a sweep is kept: in the store of the runs, beside MLflow's tables, never among them.

MLflow and Optuna both record the version of their tables in a table of the same name, so they cannot share a database:
a SQLite store gets a second file, PostgreSQL a schema of its own; beside MySQL, the study is in the data folder.
"""

import os
from pathlib import Path

from charrnn.config.redaction import redact
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError

SQLITE, FILE = "sqlite:///", "sweeps.db"
DATABASES = ("postgresql", "mysql")
VARIABLE = "CHARRNN_SWEEP_STORAGE"
"""The environment variable that has the address where it has credentials: Prefect records what a flow is given."""


def given_storage(given: str | None) -> str | None:
    """Return the address that a person gave, by the option (`given`) or by the variable; None for none."""
    return given or os.environ.get(VARIABLE)


def study_address(given: str | None, tracking: str, data: DataFolder) -> str:
    """Return the address of the database of the studies, with credentials.

    Args:
        given: by a person, None for none.
        tracking: the tracking URI.
        data: the data folder, which has the study where MLflow's database is out of reach or has no schemas.

    Raises:
        ParamsError: it is no database, or `given` has credentials.
    """
    if given is not None and not given.startswith((SQLITE, *DATABASES)):
        raise ParamsError(f"--storage: must be a database such as sqlite:///sweeps.db, got {redact(given)}")
    if given is not None and redact(given) != given:
        raise ParamsError(f"--storage: has credentials, which would be recorded; put the address into {VARIABLE}")
    named = given_storage(given)
    if named is not None and not named.startswith((SQLITE, *DATABASES)):
        raise ParamsError(f"{VARIABLE}: must be a database such as sqlite:///sweeps.db, got {redact(named)}")
    if named is not None:
        return named
    if tracking.startswith("postgresql"):
        return tracking
    folder = data.sweeps.absolute()
    if tracking.startswith(SQLITE):
        folder = Path(tracking.removeprefix(SQLITE).partition("?")[0]).resolve().parent
    return f"{SQLITE}{folder / FILE}"
