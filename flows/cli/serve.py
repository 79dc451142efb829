"""`charrnn serve`: a trained model over HTTP, in OpenAI's completions protocol."""

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.errors import FileError, ParamsError, ServerError, TrackingError
from charrnn.files import explain
from flows.cli.command import Overlays, Overrides
from flows.cli.errors import interruptible
from flows.cli.given import MODEL, find_checkpoint
from tasks.tracking.naming import kind_of

if TYPE_CHECKING:
    from charrnn.completions.shelf import Shelf

EXAMPLES = [
    ("charrnn@champion", "the best version, reloaded when another one is the best"),
    ("data/checkpoints/RUN_ID/best.ckpt --port 8001", ""),
]
KEY = "CHARRNN_API_KEY"
LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    *,
    wanted: Annotated[str, MODEL],
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen on; 127.0.0.1 is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="Port to listen on; 0 takes a free one.")] = 8000,
    api_key_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"File with the token that requests must have; without it, {KEY} in the environment; else none is "
            "needed.",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Start although there is no such registered model yet, and wait for it."),
    ] = False,
    overlays: Overlays,
    overrides: Overrides,
) -> int:
    """Serve a trained model over HTTP, in OpenAI's completions protocol, until Ctrl-C or SIGTERM."""
    if not 0 <= port <= 65535:
        raise ParamsError(f"--port: must be 0 to 65535, got {port}")
    if wait and kind_of(wanted) != "registered":
        raise ParamsError(f"--wait: only with a registered model, got {wanted}")
    token = _token(api_key_file)
    params = load_params(overlays, overrides)
    with _listen(host, port) as listener:
        with interruptible():
            from charrnn.completions.app import create_app
            from charrnn.completions.server import serve as serve_app

            shelf = _shelf(params, wanted, wait=wait)
        if host not in LOCAL and token is None:
            warning = f"warning: --host {host}: whoever reaches this address can use the model; no token is asked for"
            print(warning, file=sys.stderr)
        found = shelf.at_hand(None)
        name = wanted if found is None else found.name
        address = f"[{host}]" if ":" in host else host
        state = "waits for" if found is None else "serves"
        line = f"{state} {name} on http://{address}:{listener.getsockname()[1]}; Ctrl-C stops it"
        serve_app(create_app(shelf, token), listener, lambda: print(line, flush=True))
    # The interpreter would wait for threads that still load or score, for nobody any more.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _token(file: str | None) -> str | None:
    """Return the token of the file, or of the environment; None where there is neither."""
    if file is None:
        token, where = os.environ.get(KEY), KEY
        if token is None:
            return None
    else:
        where = f"--api-key-file {file}"
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise explain(error, "read the token", Path(file)) from None
        except UnicodeDecodeError:
            raise FileError(f"{where}: is not UTF-8 text") from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ParamsError(f"{where}: must be one word of printable ASCII characters")
    return token


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket with this address, which nothing can connect to before it is served on. Raises ServerError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except socket.gaierror as error:
        raise ServerError(f"--host {host}: {error.strerror}") from None
    except UnicodeError:
        raise ServerError(f"--host {host[:80]}: must be a host name or an address") from None
    except OSError as error:
        raise ServerError(f"--port {port}: cannot listen on {host}: {error.strerror}") from None
    return listener


def _shelf(params: Params, wanted: str, *, wait: bool) -> "Shelf":
    """Return the model of any kind that is called `wanted`, or the registry that it is of."""
    if kind_of(wanted) != "registered":
        from charrnn.completions.shelf import OneModel, Served

        return OneModel(Served.of(find_checkpoint(params, wanted), Path(wanted).stem))
    import logging

    from tasks.tracking.mlflow import Store
    from tasks.tracking.served_models import ServedModels

    # What happens to the registry while the server runs is told on standard error.
    logging.basicConfig(format="%(message)s")
    logging.getLogger("charrnn").setLevel(logging.INFO)
    models = ServedModels(Store.of(params.tracking), wanted)
    try:
        models.look()
    except TrackingError:
        if not wait:
            raise
    models.follow()
    return models
