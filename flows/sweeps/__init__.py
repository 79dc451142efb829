"""What a sweep is made of: the study that chooses, the trials that are run, the page of its run."""
