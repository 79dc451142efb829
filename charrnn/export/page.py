"""A model in a web page: one HTML file with its weights and a sampler in JavaScript, which opens offline.

The JavaScript is in `web/`; `model.js`, `sampler.js`, `reader.js` and `worker.js` run in a worker.
"""

import base64
import re
from typing import Any, get_args

from torch import nn

from charrnn.config.sampling_options import SamplingOptions
from charrnn.errors import DivergedError, ParamsError
from charrnn.evaluation.held_out import HeldOut, of_text
from charrnn.export.weights import Precision, bits_per_character, pack, packed_size
from charrnn.generation.formats import fitting
from charrnn.generation.writer import BLOCK, Writer
from charrnn.pages import page, resource
from charrnn.wording import counted

SMALL = 2_000_000
"""Largest page (bytes) that has float32 weights where neither precision is asked for."""
LARGEST = 50_000_000
"""Largest page (bytes): browsers take seconds and a multiple of that in memory to open one."""
WRITTEN = 2_000
"""Characters that the model writes to measure the cost of int8 on, where no text is given."""
IN_WORKER = ("model.js", "sampler.js", "reader.js", "worker.js")
# What a page has besides weights (bytes), at most, without its vocabulary.
_REST = 60_000


def page_precision(writer: Writer, weights: Precision | None = None) -> Precision:
    """Return the precision of the weights in a page: the one asked for, else float32 if the page is at most SMALL.

    Raises:
        ParamsError: the page would be larger than LARGEST. The message does not say which file or option it is about.
    """
    sizes = {precision: _page_size(writer, precision) for precision in get_args(Precision)}
    chosen: Precision = weights or ("float32" if sizes["float32"] <= SMALL else "int8")
    if sizes[chosen] > LARGEST:
        would = " and ".join(f"{size / 1e6:,.0f} MB with {one} weights" for one, size in sizes.items())
        raise ParamsError(f"the page would have {would}; at most {LARGEST / 1e6:,.0f} MB are allowed")
    return chosen


def model_page(writer: Writer, title: str, *, weights: Precision | None = None, held_out: HeldOut | None = None) -> str:
    """Return the page.

    Args:
        writer: the model.
        title: what the page calls it.
        weights: their precision; None for the one of `page_precision`.
        held_out: what the cost of int8 is measured on; None for texts that the model writes itself.

    Raises:
        ParamsError: see `page_precision`; or the cell has no entry in `web/model.js`.
        CorpusError: there is nothing to measure the cost of int8 on.
        DivergedError: the weights, or what the model predicts, are not finite.
    """
    network = writer.network
    _check_cell(network.params.cell)
    precision = page_precision(writer, weights)
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise DivergedError("the model's weights are not finite: its training diverged")
    packed, defaults = pack(network, precision), SamplingOptions()
    description: dict[str, Any] = {
        "title": title,
        "about": _about(writer),
        "facts": _facts(writer, precision, held_out),
        "cell": network.params.cell,
        "layers": network.params.num_layers,
        "hiddenSize": network.params.hidden_size,
        "stateTensors": network.cell.state_tensors,
        "normEpsilon": next((norm.eps for norm in network.norms if isinstance(norm, nn.LayerNorm)), None),
        # One by one: two surrogates that follow each other would be read as one character.
        "characters": list(writer.vocabulary.characters),
        "documents": writer.data.has_documents,
        "ofLines": writer.of_lines,
        "reading": {
            "newline": writer.data.newline,
            "lowercase": writer.data.lowercase,
            "unicodeForm": writer.data.unicode_form,
        },
        "sampling": {"length": defaults.length, "temperature": defaults.temperature, "seed": str(defaults.seed)},
        "tensors": packed.tensors,
        "weights": base64.b64encode(packed.block).decode("ascii"),
    }
    return page(
        title,
        _resource("page.html"),
        styles=[_resource("page.css")],
        scripts=[_resource("page.js")],
        data={"model": description, "worker": '"use strict";\n' + "\n".join(map(_resource, IN_WORKER))},
    )


def _resource(name: str) -> str:
    return resource(f"web/{name}", "charrnn.export")


def _page_size(writer: Writer, precision: Precision) -> int:
    """Return about how large the page is (bytes), never less than it is."""
    # A character is written as an escape of a surrogate pair at most, in quotes and with a comma.
    return packed_size(writer.network, precision) * 4 // 3 + 15 * writer.vocabulary.size + _REST


def _check_cell(cell: str) -> None:
    """Raise ParamsError where the page's JavaScript does not have the cell."""
    if not re.search(rf"^  {re.escape(cell)}\(", _resource("model.js"), re.MULTILINE):
        raise ParamsError(f"the page has no step for the cell {cell}; export it as ONNX or safetensors")


def _about(writer: Writer) -> str:
    texts = "documents, each of which ends by itself" if writer.data.has_documents else "one stream of text"
    return f"A character-level language model of {texts}. It runs in this page: nothing that is typed leaves it."


def _facts(writer: Writer, precision: Precision, held_out: HeldOut | None) -> list[tuple[str, str]]:
    params, network = writer.network.params, writer.network
    first = f"vectors of {params.embedding_size}" if params.embedding_size else "one-hot"
    norm = ", layer norm" if params.layer_norm else ""
    shape = f"{params.cell}, {counted(params.num_layers, 'layer')} of {params.hidden_size} units, input {first}{norm}"
    return [
        ("Network", shape),
        ("Parameters", f"{network.num_parameters:,}"),
        ("Characters it knows", f"{len(writer.vocabulary.characters):,}"),
        ("Weights", "float32, as trained" if precision == "float32" else f"int8: {_cost(writer, held_out)}"),
    ]


def _cost(writer: Writer, held_out: HeldOut | None) -> str:
    """Return what int8 costs, in words."""
    measured = held_out or _written(writer)
    documents = measured.documents()
    exact, small = (bits_per_character(writer, precision, documents) for precision in ("float32", "int8"))
    length = sum(map(len, documents))
    return (
        f"{small:.4f} bits per character where float32 has {exact:.4f}, measured on {counted(length, 'character')} "
        f"({measured.name})"
    )


def _written(writer: Writer) -> HeldOut:
    """Return a stream that the model writes, or so many documents that they are about as long."""
    prepared, _ = writer.prepare(SamplingOptions(length=WRITTEN, temperature=1.0))
    if not writer.data.has_documents:
        (stream,) = writer.write([prepared])
        return of_text(stream.text, "a text that the model wrote itself", writer.data, writer.vocabulary, WRITTEN)
    several = [prepared.model_copy(update={"seed": seed}) for seed in range(BLOCK)]
    texts = [document.text for document in fitting(list(writer.write(several)), WRITTEN)]
    name = "documents that the model wrote itself"
    return of_text(texts, name, writer.data, writer.vocabulary, 2 * WRITTEN)
