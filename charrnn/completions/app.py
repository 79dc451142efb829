"""The HTTP of the completions server: routes, and every error in one form."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from charrnn import __version__
from charrnn.completions.answers import CompletionResponse, Json, Mail, Written, refused
from charrnn.completions.docs_page import docs_page
from charrnn.completions.engine import FAILED, PLACES, QUEUE, Engine, QueueFullError, StoppedError
from charrnn.completions.figures import Counting, Figures
from charrnn.completions.guards import Bodies, Token
from charrnn.completions.loads import WAITING, Loads, NotLoadedError
from charrnn.completions.orders import AS_READ, check_length, order
from charrnn.completions.pool import Pool
from charrnn.completions.protocol import (
    MAX_SCORED,
    Completion,
    CompletionRequest,
    Failure,
    ModelCard,
    ModelList,
    RequestError,
    Score,
    ScoreRequest,
)
from charrnn.completions.shelf import Listed, NoModelError, Served, Shelf, UnknownModelError
from charrnn.config.messages import explain, show
from charrnn.data.normalisation import normalise
from charrnn.data.vocabulary import describe
from charrnn.errors import CharrnnError
from charrnn.serving import ScoringOptions, score_answer

READINGS, READERS = 256, 4
"""Requests for texts that wait to be read at most, and how many are read at the same time: it takes milliseconds."""
SCORES = 16
"""Texts that wait to be scored at most; one is scored at a time."""
PAGES = 64
"""Requests that wait for the page at most; it is made by the first, which takes seconds."""
HOME, DOCS = "/", "/docs"

T = TypeVar("T")


def _failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of errors, beside those that every request may get."""
    said = {
        400: "the request cannot be answered as it is",
        401: "the token is missing or wrong",
        404: "there is no such model",
        408: "the body took too long",
        413: "the body is too large",
        429: "too many requests wait; `Retry-After` says how many seconds to wait",
        500: "the server has failed",
        503: "no model, it cannot be loaded now, or the server is stopping; of `/readyz`, also: it has failed",
    }
    return {code: {"model": Failure, "description": said[code]} for code in sorted({401, 408, 413, *codes})}


class Service:
    """What the routes share: the models, the engine and the figures.

    Attributes:
        shelf: the models.
        figures: what is counted.
        engine: writes; there while the app runs.
    """

    engine: Engine
    _mail: Mail

    def __init__(self, shelf: Shelf, places: int, queue: int) -> None:
        """Serve the models of `shelf`; `places` and `queue` are the engine's."""
        self.shelf = shelf
        self._places, self._queue = places, queue
        self.figures = Figures()

    @asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Run the engine while the block runs."""
        self._mail = Mail(asyncio.get_running_loop())
        self.engine = Engine(self._mail.tell, places=self._places, queue=self._queue)
        self.figures.watch(self.engine)
        self._reading = Pool("reading", threads=READERS, waiting=READINGS)
        self._scoring = Pool("scoring", threads=1, waiting=SCORES)
        self._paging = Pool("paging", threads=1, waiting=PAGES)
        self._loading = Pool("loading", threads=1, waiting=WAITING)
        self._loads = Loads(self.shelf, self._loading)
        self.engine.start()
        try:
            yield
        finally:
            await self.stop()

    @property
    def _pools(self) -> tuple[Pool, ...]:
        return self._reading, self._scoring, self._paging, self._loading

    def refuse(self) -> None:
        """Begin nothing new: what runs is finished, what waits for a thread is given up."""
        self.engine.refuse()
        for pool in self._pools:
            pool.refuse()

    async def stop(self) -> None:
        """Stop; what is not finished fails."""
        for pool in self._pools:
            pool.stop()
        await asyncio.to_thread(self.engine.stop)

    async def find(self, name: str | None) -> Served:
        """Return the model of this name. Raises RequestError where there is none, or nothing new is begun."""
        if self.engine.refusal:
            raise refused(self.engine.refusal)
        try:
            return self.shelf.at_hand(name) or await self._loads.fetch(name)
        except NoModelError:
            raise RequestError(503, "there is no model yet", code="no_model", retry=True) from None
        except UnknownModelError:
            raise _no_model(name or "") from None
        except NotLoadedError:
            message = f"model: {str(name)[:100]!r} cannot be loaded now"
            raise RequestError(503, message, param="model", code="not_loaded", retry=True) from None
        except QueueFullError:
            raise RequestError(503, "too many requests wait for a model", code="queue_full", retry=True) from None
        except StoppedError as error:
            raise refused(str(error)) from None

    @property
    def idle(self) -> bool:
        """Whether no text is written and nothing else is done."""
        return self.engine.idle and all(pool.idle for pool in self._pools)

    async def write(self, request: CompletionRequest, served: Served) -> Response:
        """Answer a request for texts."""
        # A long prompt takes milliseconds to read.
        ordered = await _called(self._reading, lambda: order(request, served), "too many requests wait")
        written = Written(ordered, self.engine, self._mail, self.figures.arrivals())
        return CompletionResponse(request, ordered, written)

    async def score(self, request: ScoreRequest, served: Served) -> Response:
        """Answer a request for a score."""
        answer = await _called(self._scoring, lambda: _scored(request, served), "too many texts wait to be scored")
        return Json({"model": served.name, **answer})

    async def page(self, served: Served) -> Response:
        """Answer with the page of a model. Raises RequestError where it has none."""
        try:
            return HTMLResponse(await _called(self._paging, lambda: served.page, "too many wait for the page"))
        except CharrnnError as error:
            raise RequestError(404, f"{served.name} has no page: {error}") from None


async def _called(pool: Pool, function: Callable[[], T], full: str) -> T:
    """Return what `function` returns in `pool`. Raises RequestError where it is not called; `full` says why."""
    try:
        return await pool.call(function)
    except QueueFullError:
        raise RequestError(429, f"{full}; try again later", code="queue_full", retry=True) from None
    except StoppedError as error:
        raise refused(str(error)) from None


def _scored(request: ScoreRequest, served: Served) -> dict[str, Any]:
    """Return the answer to a request for a score. Raises RequestError where it cannot be scored."""
    check_length("text", request.text, MAX_SCORED)
    check_length("text", normalise(request.text, served.writer.data), MAX_SCORED, AS_READ)
    _, unknown = served.writer.read_prime(request.text)
    if unknown and request.strict:
        message = f"text: the model has never seen {describe(unknown)}"
        raise RequestError(400, message, param="text", code="unknown_characters")
    return score_answer(served.writer, ScoringOptions(score=request.text, surprisal=request.surprisal))


def create_app(shelf: Shelf, token: str | None = None, *, places: int = PLACES, queue: int = QUEUE) -> FastAPI:
    """Return the app.

    Args:
        shelf: the models that are served.
        token: that requests must have; None where none is needed.
        places: texts that are written at the same time.
        queue: texts that wait for a place at most.
    """
    service = Service(shelf, places, queue)
    app = FastAPI(
        title="charrnn completions",
        version=__version__,
        description="OpenAI's completions protocol for a character-level model: a token is a character.",
        lifespan=service.running,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    _add_routes(app, service)
    app.add_exception_handler(RequestError, _answer_request_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(CharrnnError, _answer_charrnn_error)
    app.add_exception_handler(Exception, _answer_fault)
    # The last one that is added stands before the others.
    app.add_middleware(Bodies)
    if token is not None:
        app.add_middleware(Token, token=token)
    app.add_middleware(Counting, figures=service.figures)
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/completions",
        response_model=Completion,
        responses={
            200: {"description": "the texts", "content": {"text/event-stream": {}}},
            **_failures(400, 404, 429, 500, 503),
        },
    )
    async def completions(request: CompletionRequest) -> Response:
        """Write texts that go on from prompts.

        With `stream`, the answer is server-sent events, each of which has the characters of one text that were
        written since its event before; after the last, `data: [DONE]`.
        """
        return await service.write(request, await service.find(request.model))

    @app.get("/v1/models", response_model=ModelList, responses=_failures())
    async def models() -> Response:
        """List the models that can be asked for, that of requests without `model` first."""
        return Json({"object": "list", "data": [_card(one) for one in service.shelf.listed()]})

    @app.get("/v1/models/{model:path}", response_model=ModelCard, responses=_failures(404))
    async def model(model: str) -> Response:
        """Describe one of these models."""
        for one in service.shelf.listed():
            if one.name == model:
                return Json(_card(one))
        raise _no_model(model)

    @app.post("/score", response_model=Score, responses=_failures(400, 404, 429, 500, 503))
    async def score(request: ScoreRequest) -> Response:
        """Say how unexpected the model finds a text, and each of its characters, in bits."""
        return await service.score(request, await service.find(request.model))

    @app.get("/healthz", response_model=dict[str, str], responses=_failures(500))
    async def healthz() -> Response:
        """Answer whether the server runs."""
        if not service.engine.works:
            raise RequestError(500, service.engine.refusal or FAILED)
        return Json({"status": "ok"})

    @app.get("/readyz", response_model=dict[str, str], responses=_failures(503))
    async def readyz() -> Response:
        """Answer whether a request would be taken: there is a model, and the server neither stops nor has failed."""
        if service.engine.refusal:
            raise RequestError(503, service.engine.refusal)
        if not service.shelf.listed() or service.shelf.at_hand(None) is None:
            raise RequestError(503, "there is no model yet", code="no_model")
        return Json({"status": "ready"})

    @app.get("/metrics", response_class=Response, responses=_failures())
    async def metrics() -> Response:
        """Give figures in Prometheus' text format."""
        return Response(service.figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get(HOME, response_class=HTMLResponse, include_in_schema=False)
    async def home() -> Response:
        """Show the page of the model."""
        return await service.page(await service.find(None))

    @app.get(DOCS, response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> Response:
        """Show the protocol."""
        return HTMLResponse(docs_page(app.openapi()))


def _card(listed: Listed) -> dict[str, Any]:
    return {"id": listed.name, "object": "model", "created": listed.created, "owned_by": "charrnn"}


def _no_model(name: str) -> RequestError:
    message = f"model: there is no {name[:100]!r}; GET /v1/models lists those there are"
    return RequestError(404, message, param="model", code="model_not_found")


async def _answer_request_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return Json(error.body, error.status, error.headers)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """Answer a body that is not what it must be, by the first thing that is wrong."""
    assert isinstance(error, RequestValidationError)
    first: Any = error.errors()[0]
    if isinstance(first["input"], bytes):  # which is not read as JSON, for want of a header
        given = show(request.headers.get("content-type", ""))
        raised = RequestError(400, f"Content-Type: must be application/json, got {given}")
        return await _answer_request_error(request, raised)
    where: Sequence[int | str] = first["loc"][1:]
    if first["type"] == "json_invalid":
        return await _answer_request_error(request, RequestError(400, f"the body is not JSON: {first['ctx']['error']}"))
    field = ".".join(map(str, where))
    if first["type"] == "extra_forbidden":
        rule = "unknown field"
    elif first["type"] == "missing":
        rule = "must be given"
    else:
        rule = explain(first)
    message = f"{field}: {rule}" if field else f"the body {rule}"
    param = str(where[0]) if where else None
    return await _answer_request_error(request, RequestError(400, message, param=param))


def _unread(cause: BaseException) -> str:
    """Return why Python reads no JSON of a body, in words."""
    if isinstance(cause, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(cause, RecursionError):
        return "it is nested too deeply"
    return "it has a number with too many digits" if isinstance(cause, ValueError) else "it cannot be read"


async def _answer_http_error(request: Request, error: Exception) -> Response:
    """Answer as the framework would, in our form."""
    assert isinstance(error, HTTPException)
    cause = error.__cause__  # of a body that is not even wrong JSON
    message = f"the body is not JSON: {_unread(cause)}" if cause is not None else error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:  # such as /v1/chat/completions
        message = f"{request.url.path[:100]}: there is no such path; texts are written by POST /v1/completions"
    answer = RequestError(error.status_code, message)
    return Json(answer.body, answer.status, dict(error.headers or {}))


async def _answer_charrnn_error(request: Request, error: Exception) -> Response:
    """Answer what a model cannot do, such as one whose training diverged."""
    return await _answer_request_error(request, RequestError(500, str(error)))


async def _answer_fault(request: Request, _error: Exception) -> Response:
    """Answer what this program does wrong; the server logs it."""
    return await _answer_request_error(request, RequestError(500, FAILED))
