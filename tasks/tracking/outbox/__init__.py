"""The messages of a run to its tracking store: a durable queue on disk, and the thread that sends from it."""
