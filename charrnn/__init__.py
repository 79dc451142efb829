"""Character-level recurrent language models: train on a text, sample, score, save and load.

Usable from a notebook with no server anywhere; knows neither Prefect nor MLflow.

>>> import charrnn
>>> model = charrnn.fit("novel.txt", max_minutes=1)  # doctest: +SKIP
>>> print(model.sample("Once", length=200, temperature=0.8))  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.api import Model, fit, load
    from charrnn.errors import CharrnnError

__all__ = ["CharrnnError", "Model", "__version__", "fit", "load"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: command lines import this package before anything slow."""
    if name == "__version__":
        return import_module("importlib.metadata").version("charrnn")
    if name == "CharrnnError":
        return import_module("charrnn.errors").CharrnnError
    if name in __all__:
        return getattr(import_module("charrnn.api"), name)
    raise AttributeError(f"module 'charrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names that are offered, whether or not they are imported yet: a notebook completes them."""
    return sorted({*globals(), *__all__})
