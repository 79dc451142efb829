"""What only runs of a deployment need: a person's approval, late ones, crashed ones."""
