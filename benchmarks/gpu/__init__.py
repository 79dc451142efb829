"""Measures the library on a GPU, where there may be only PyTorch, NumPy and this project: `python -m benchmarks.gpu`.

Knows neither Prefect nor MLflow, and needs no installation.
"""
