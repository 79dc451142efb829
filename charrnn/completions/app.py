"""The HTTP of the completions server: routes, and every error in one form."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from charrnn import __version__
from charrnn.completions.answers import CompletionResponse, Json, Mail, Written
from charrnn.completions.docs_page import docs_page
from charrnn.completions.engine import PLACES, QUEUE, Engine
from charrnn.completions.figures import Counting, Figures
from charrnn.completions.guards import Bodies, Token
from charrnn.completions.orders import order
from charrnn.completions.protocol import (
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
from charrnn.config.messages import explain
from charrnn.data.vocabulary import describe
from charrnn.errors import CharrnnError
from charrnn.export.page import model_page
from charrnn.generation.writer import Writer
from charrnn.serving import ScoringOptions, score_answer

SCORES = 16
"""Texts that wait to be scored at most; one is scored at a time."""
HOME, DOCS = "/", "/docs"


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
        503: "there is no model yet, or the server is stopping",
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
        self._scoring = asyncio.Semaphore(1)
        self._scores = 0

    @asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Run the engine while the block runs."""
        self._mail = Mail(asyncio.get_running_loop())
        self.engine = Engine(self._mail.tell, places=self._places, queue=self._queue)
        self.figures.watch(self.engine)
        self.engine.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.engine.stop)

    async def find(self, name: str | None) -> Served:
        """Return the model of this name. Raises RequestError where there is none."""
        try:
            served = self.shelf.at_hand(name)
            return await run_in_threadpool(self.shelf.fetch, name) if served is None else served
        except NoModelError:
            raise RequestError(503, "there is no model yet", code="no_model", retry=True) from None
        except UnknownModelError:
            raise _no_model(name or "") from None

    def write(self, request: CompletionRequest, served: Served) -> Response:
        """Answer a request for texts."""
        ordered = order(request, served)
        written = Written(ordered, self.engine, self._mail, self.figures.arrivals())
        return CompletionResponse(request, ordered, written)

    async def score(self, request: ScoreRequest, served: Served) -> Response:
        """Answer a request for a score."""
        _, unknown = served.writer.read_prime(request.text)
        if unknown and request.strict:
            message = f"text: the model has never seen {describe(unknown)}"
            raise RequestError(400, message, param="text", code="unknown_characters")
        if self._scores >= SCORES:
            raise RequestError(429, "too many texts wait to be scored", code="queue_full", retry=True)
        self._scores += 1
        try:
            async with self._scoring:
                options = ScoringOptions(score=request.text, surprisal=request.surprisal)
                answer = await run_in_threadpool(score_answer, served.writer, options)
        finally:
            self._scores -= 1
        return Json({"model": served.name, **answer})


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
        return service.write(request, await service.find(request.model))

    @app.get("/v1/models", response_model=ModelList, responses=_failures())
    def models() -> Response:
        """List the models that can be asked for, that of requests without `model` first."""
        return Json({"object": "list", "data": [_card(one) for one in service.shelf.listed()]})

    @app.get("/v1/models/{model:path}", response_model=ModelCard, responses=_failures(404))
    def model(model: str) -> Response:
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
            raise RequestError(500, "the engine has stopped")
        return Json({"status": "ok"})

    @app.get("/readyz", response_model=dict[str, str], responses=_failures(503))
    async def readyz() -> Response:
        """Answer whether there is a model to ask."""
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
        served = await service.find(None)
        try:
            return HTMLResponse(await run_in_threadpool(_page_of, served.writer, served.name))
        except CharrnnError as error:
            raise RequestError(404, f"{served.name} has no page: {error}") from None

    @app.get(DOCS, response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> Response:
        """Show the protocol."""
        return HTMLResponse(docs_page(app.openapi()))


@lru_cache(maxsize=2)
def _page_of(writer: Writer, name: str) -> str:
    """Return the page of a model, made once: measuring what int8 costs takes seconds."""
    return model_page(writer, name)


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


async def _answer_http_error(request: Request, error: Exception) -> Response:
    """Answer as the framework would, in our form."""
    assert isinstance(error, HTTPException)
    answer = RequestError(error.status_code, error.detail)
    return Json(answer.body, answer.status, dict(error.headers or {}))


async def _answer_charrnn_error(request: Request, error: Exception) -> Response:
    """Answer what a model cannot do, such as one whose training diverged."""
    return await _answer_request_error(request, RequestError(500, str(error)))
