"""Every parameter: the schema, reading and writing them, what a resumed run may change."""
