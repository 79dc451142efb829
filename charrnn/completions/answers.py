"""Answers: a completion as one JSON document, or as server-sent events while it is written.

An answer waits for the engine and for the client at once: when the client leaves, its texts leave the engine.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from charrnn.completions.engine import STOPPING, Engine, QueueFullError, StoppedError
from charrnn.completions.figures import Arrivals
from charrnn.completions.orders import Order
from charrnn.completions.protocol import CompletionRequest, RequestError
from charrnn.completions.text import Piece, Rated, Text


class Json(JSONResponse):
    """JSON in ASCII, which has a form for every character, and no NaN."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of `content`."""
        return as_json(content)


def as_json(content: Any) -> bytes:
    """Return `content` as JSON in ASCII. Raises ValueError where it has a number that is not finite."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def refused(refusal: str) -> RequestError:
    """Return the answer to a request that comes when the engine takes no more texts; `refusal` is the engine's."""
    if refusal == STOPPING:
        return RequestError(503, refusal, code="stopping", retry=True)
    return RequestError(500, refusal)


class Mail:
    """Brings what the engine's thread tells to the answers that wait for it in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake answers in `loop`."""
        self._loop = loop
        self._events: dict[Text, asyncio.Event] = {}

    def tell(self, texts: Sequence[Text]) -> None:
        """Wake the answers that these texts are for; called in any thread."""
        self._loop.call_soon_threadsafe(self._wake, tuple(texts))

    def add(self, texts: Iterable[Text], event: asyncio.Event) -> None:
        """Set `event` when one of these texts has something new."""
        self._events.update(dict.fromkeys(texts, event))

    def drop(self, texts: Iterable[Text]) -> None:
        """Tell nothing more of these texts."""
        for text in texts:
            self._events.pop(text, None)

    def _wake(self, texts: Sequence[Text]) -> None:
        for text in texts:
            if event := self._events.get(text):
                event.set()


class Written:
    """The texts of an order while they are written."""

    def __init__(self, ordered: Order, engine: Engine, mail: Mail, arrivals: Arrivals) -> None:
        """Have the engine write them.

        Raises:
            RequestError: it takes none now.
        """
        self.texts = ordered.texts
        self._engine, self._mail, self._arrivals = engine, mail, arrivals
        self._news = asyncio.Event()
        mail.add(self.texts, self._news)
        try:
            engine.submit(ordered.jobs)
        except (QueueFullError, StoppedError) as error:
            mail.drop(self.texts)
            if isinstance(error, StoppedError):
                raise refused(str(error)) from None
            raise RequestError(429, "too many requests wait; try again later", code="queue_full", retry=True) from None

    async def pieces(self) -> AsyncIterator[list[tuple[int, Piece]]]:
        """Yield what is new: the number of each text that has something, and it. Ends when all texts have.

        Raises:
            RequestError: a text cannot be ended; all that was written of it was yielded before.
        """
        going = dict(enumerate(self.texts))
        while going:
            await self._news.wait()
            self._news.clear()
            # Before the pieces: nothing is written after a failure, and nothing more is told of it.
            failure = next((text.failure for text in going.values() if text.failure), None)
            new = [(number, piece) for number, text in going.items() if (piece := text.take())]
            for number, piece in new:
                if piece.reason:
                    del going[number]
            if new:
                self._arrivals.arrive()
                yield new
            if failure:
                raise RequestError(503 if self._engine.stopping else 500, failure, code="unfinished")

    def leave(self) -> None:
        """Have no more written."""
        self._mail.drop(self.texts)
        if going := [text for text in self.texts if not text.ended]:
            self._engine.leave(going)


class CompletionResponse(Response):
    """An answer to a request for texts: a document, or a stream of events."""

    def __init__(self, request: CompletionRequest, ordered: Order, written: Written) -> None:
        """Answer with what is written."""
        self.status_code = 200
        self.background = None
        self._streams = bool(request.stream)
        self._ordered, self._written = ordered, written
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": ordered.served.name,
        }
        self._wants_top = bool(request.logprobs)
        self._wants_logprobs = request.logprobs is not None
        self._wants_usage = request.stream_options is not None and bool(request.stream_options.include_usage)
        self._echoes = bool(request.echo)
        # Of each text, where the next character stands in prompt and text together.
        self._places = [0 if self._echoes else len(prompt) for prompt in ordered.prompts]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until all is sent or the client leaves."""
        answer = asyncio.ensure_future(self._stream(send) if self._streams else self._whole(scope, receive, send))
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
        finally:
            answer.cancel()
            gone.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)
            self._written.leave()

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[list[Piece]] = [[] for _ in self._written.texts]
        try:
            async for new in self._written.pieces():
                for number, piece in new:
                    parts[number].append(piece)
        except RequestError as error:
            await Json(error.body, error.status, error.headers)(scope, receive, send)
            return
        choices = []
        for number, pieces in enumerate(parts):
            rated = tuple(one for piece in pieces for one in piece.rated)
            text = "".join(piece.text for piece in pieces)
            choices.append(self._choice(number, Piece(text, rated, pieces[-1].reason)))
        answer = self._head | {"choices": choices, "usage": self._usage(), "warnings": list(self._ordered.warnings)}
        await Json(answer)(scope, receive, send)

    async def _stream(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        more: dict[str, Any] = {"usage": None} if self._wants_usage else {}
        first: dict[str, Any] = {"warnings": list(self._ordered.warnings)} if self._ordered.warnings else {}
        try:
            async for new in self._written.pieces():
                choices = (self._choice(number, piece) for number, piece in new)
                events = [self._head | {"choices": [choice]} | more | first for choice in choices]
                first = {}
                await _send_body(send, b"".join(map(_event, events)))
            if self._wants_usage:
                await _send_body(send, _event(self._head | {"choices": [], "usage": self._usage()}))
            await _send_body(send, b"data: [DONE]\n\n")
        except RequestError as error:
            await _send_body(send, _event(error.body))
        await _send_body(send, b"", last=True)

    def _choice(self, number: int, piece: Piece) -> dict[str, Any]:
        logprobs = self._logprobs(piece.rated, self._places[number]) if self._wants_logprobs else None
        self._places[number] += len(piece.text)
        return {"text": piece.text, "index": number, "logprobs": logprobs, "finish_reason": piece.reason}

    def _logprobs(self, rated: Sequence[Rated], first: int) -> dict[str, Any]:
        return {
            "tokens": [one.character for one in rated],
            "token_logprobs": [one.logprob for one in rated],
            "top_logprobs": [one.top for one in rated] if self._wants_top else None,
            "text_offset": list(range(first, first + len(rated))),
        }

    def _usage(self) -> dict[str, int]:
        """Return the usage, now that all is told; each prompt counts once, whatever `n`."""
        prompts = self._ordered.prompts
        read = sum(len(job.prime.texts[0].options.prime) for job in self._ordered.jobs)
        written = sum(place - len(prompt) for place, prompt in zip(self._places, prompts, strict=True))
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _event(content: Mapping[str, Any]) -> bytes:
    return b"data: " + as_json(content) + b"\n\n"


async def _send_body(send: Send, body: bytes, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
