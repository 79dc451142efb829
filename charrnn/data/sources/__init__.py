"""Where a text can come from, a module for each kind."""
