"""The address of the tracking store. Knows no MLflow."""

import os

from charrnn.config.loading import project_folder
from charrnn.config.redaction import redact
from charrnn.config.schema import TrackingParams
from charrnn.config.sqlite_address import sqlite_address, sqlite_file
from charrnn.errors import TrackingError
from charrnn.undecodable import escaped


def tracking_uri(params: TrackingParams) -> str:
    """Return the tracking URI: the parameter, MLFLOW_TRACKING_URI, or SQLite under the project's mlruns/.

    Raises:
        TrackingError: it has bytes that are no UTF-8.
    """
    uri = params.uri or os.environ.get("MLFLOW_TRACKING_URI") or sqlite_address(project_folder() / "mlruns/mlflow.db")
    # Also where such bytes are escaped as in a URL.
    if any(escaped(text) != text for text in (uri, str(sqlite_file(uri)))):
        # It would put artifacts into another folder, whose name has other bytes.
        raise TrackingError(f"tracking.uri {redact(uri)}: must be Unicode text, MLflow takes no other bytes in a path")
    return uri
