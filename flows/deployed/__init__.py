"""What only runs of a deployment need: late ones, crashed ones."""
