"""Flows chain tasks and own the command lines."""
