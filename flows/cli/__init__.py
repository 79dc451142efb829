"""The command line `charrnn COMMAND`, a module a command. Nothing slow is imported before arguments are checked."""
