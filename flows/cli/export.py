"""`charrnn export`: a trained model as a web page, as ONNX, as safetensors."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import CorpusError, DivergedError, ParamsError
from charrnn.files import atomic_file
from charrnn.undecodable import escaped
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, find_checkpoint, find_splits
from tasks.tracking.naming import kind_of

if TYPE_CHECKING:
    from charrnn.evaluation.held_out import HeldOut
    from charrnn.training.checkpoint import Checkpoint

EXAMPLES = [
    ("charrnn@champion --html page.html", "a page that writes and scores, offline"),
    ("last --html page.html --weights int8", "a quarter of the size"),
    ("last --onnx model.onnx --safetensors model/", ""),
]
# Of a held-out split, at most: enough for the fourth decimal of what int8 costs.
MEASURED = 20_000


def export(
    *,
    wanted: Annotated[str, MODEL],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Write a web page with the model in it.")
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Write one step of the model as ONNX.")
    ] = None,
    safetensors: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", show_default=False, help="Write model.safetensors and JSON beside it."),
    ] = None,
    weights: Annotated[
        Literal["float32", "int8"] | None,
        typer.Option(
            show_default=False,
            help="Of the page: float32 as trained, or int8, a quarter of the size, whose cost the page states. Without "
            "it: float32 where the page then has at most 2 MB, else int8.",
        ),
    ] = None,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Write a trained model as files that other programs read."""
    if html is None and onnx is None and safetensors is None:
        raise ParamsError("at least one of --html, --onnx and --safetensors must be given")
    if weights is not None and html is None:
        raise ParamsError(f"--weights: is of the page of --html, which is not asked for, got {weights}")
    params = load_params(overlays, overrides)
    with interruptible():
        from charrnn.generation.writer import Writer
        from charrnn.training.device import reading
    trained = find_checkpoint(params, wanted)
    writer = Writer(trained.model(), trained.vocabulary, trained.params.data)
    files: dict[Path, bytes] = {}
    if html is not None:
        from charrnn.export.page import model_page, page_precision

        with reading(trained.params.training, trained.threads), _option("--html"):
            precision = page_precision(writer, weights)
            held_out = _held_out(params, trained) if precision == "int8" else None
            page = model_page(writer, _title(wanted, trained), weights=precision, held_out=held_out)
        files[html] = page.encode("utf-8")
    if onnx is not None:
        from charrnn.export.onnx_file import onnx_bytes

        with _option("--onnx"):
            if onnx in files:
                raise ParamsError(f"{onnx} is the file of --html")
            files[onnx] = onnx_bytes(writer)
    if safetensors is not None:
        from charrnn.export.tensors import tensor_files

        files |= {safetensors / name: content for name, content in tensor_files(writer).items()}
    with ExitStack() as together:  # where one cannot be written, none is
        for path, content in files.items():
            together.enter_context(atomic_file(path)).write_bytes(content)
    for path, content in files.items():
        print(f"{path}: {len(content) / 1e6:.2f} MB")
    return 0


@contextmanager
def _option(name: str) -> Iterator[None]:
    """Name the option that a mistake is about."""
    try:
        yield
    except (CorpusError, DivergedError, ParamsError) as error:
        raise type(error)(f"{name}: {error}") from None


def _title(wanted: str, trained: "Checkpoint") -> str:
    """Return what the page calls the model: a registered one as it was asked for, others without where they are."""
    kind = kind_of(wanted)
    if kind == "run":
        return f"run {trained.run_id}"
    return escaped(Path(wanted).name if kind == "file" else wanted)


def _held_out(params: Params, trained: "Checkpoint") -> "HeldOut | None":
    """Return the beginning of the split that the model is judged on; None where its text is not at hand."""
    from charrnn.evaluation.held_out import of_split

    splits = find_splits(params, trained)
    if splits is None or splits.held_out is None:
        return None
    return of_split(splits, trained.vocabulary, splits.held_out, MEASURED)
