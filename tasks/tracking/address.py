"""The address of the tracking store. Knows no MLflow."""

import os
from pathlib import Path

from charrnn.config.loading import BASE_FILE, PROJECT
from charrnn.config.schema import TrackingParams


def tracking_uri(params: TrackingParams) -> str:
    """Return the tracking URI: the parameter, MLFLOW_TRACKING_URI, or SQLite under the project's mlruns/."""
    if params.uri:
        return params.uri
    project = PROJECT if BASE_FILE.exists() else Path.cwd()
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project}/mlruns/mlflow.db"
