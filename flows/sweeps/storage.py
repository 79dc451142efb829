"""Where the study of a sweep is kept: in the store of the runs, beside MLflow's tables, never among them.

MLflow and Optuna both record the version of their tables in a table of the same name, so they cannot share a database:
a SQLite store gets a second file, PostgreSQL a schema of its own.
"""

from pathlib import Path

from charrnn.config.redaction import redact
from charrnn.data.folder import DataFolder
from charrnn.errors import ParamsError

SQLITE, FILE = "sqlite:///", "sweeps.db"
DATABASES = ("postgresql", "mysql")


def study_address(given: str | None, tracking: str, data: DataFolder) -> str:
    """Return the address of the database of the studies, with credentials.

    Args:
        given: by a person, None for none.
        tracking: the tracking URI.
        data: the data folder, which has the study where MLflow is a server, whose database is out of reach.

    Raises:
        ParamsError: `given` is no database.
    """
    if given is not None:
        if not given.startswith((SQLITE, *DATABASES)):
            raise ParamsError(f"--storage: must be a database such as sqlite:///sweeps.db, got {redact(given)}")
        return given
    if tracking.startswith(DATABASES):
        return tracking
    folder = data.sweeps.absolute()
    if tracking.startswith(SQLITE):
        folder = Path(tracking.removeprefix(SQLITE).partition("?")[0]).resolve().parent
    return f"{SQLITE}{folder / FILE}"
