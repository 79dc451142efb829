"""What runs report and keep: the tracker, the outbox in front of MLflow, checkpoints, comparison, pruning."""
