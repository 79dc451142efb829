"""The command lines, a module for each command."""
