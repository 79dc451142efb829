"""A durable queue on disk of what a run tells its tracking store, and the thread that sends it."""
