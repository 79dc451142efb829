"""How good a model is: losses, metrics, baselines, comparison of two models, pictures of curves."""
