"""Character-level recurrent language models: corpus, vocabulary, model, training, evaluation and sampling.

Usable from a notebook with no server anywhere; knows neither Prefect nor MLflow.
"""
