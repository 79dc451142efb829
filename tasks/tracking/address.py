"""The address of the tracking store. Knows no MLflow."""

import os

from charrnn.config.loading import project_folder
from charrnn.config.schema import TrackingParams


def tracking_uri(params: TrackingParams) -> str:
    """Return the tracking URI: the parameter, MLFLOW_TRACKING_URI, or SQLite under the project's mlruns/."""
    if params.uri:
        return params.uri
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_folder()}/mlruns/mlflow.db"
