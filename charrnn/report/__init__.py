"""The report of a trained model: what it learned, measured, as one HTML page and as a model card."""
