"""Prefect and MLflow servers: the local stack, and the temporary one of a single run."""
