"""Prefect and MLflow servers: the local stack, and the temporary Prefect server of a single run."""
