"""What stands before every request: who may ask, and how much and how slowly a client may send.

Pure ASGI, so that an answer still learns when its client leaves.
"""

import asyncio
import hmac

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charrnn.completions.answers import Json
from charrnn.completions.protocol import RequestError

MAX_BODY = 2 << 20
"""Bytes of a request's body: the longest prompts, with every character escaped, are less."""
BODY_SECONDS = 10.0
"""How long a client may take to send a body."""
OPEN = ("/healthz", "/readyz")
"""Paths that need no token: those who watch a server have none."""


class Token:
    """Lets in who has the bearer token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        """Stand before `app`."""
        self._app = app
        self._wanted = b"bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with status 401 where the token is missing or another."""
        if scope["type"] == "http" and scope["path"] not in OPEN and not self._has_token(scope):
            error = RequestError(401, "Authorization: must be `Bearer TOKEN` with the token of this server")
            headers = {"WWW-Authenticate": "Bearer"}
            await Json(error.body, error.status, headers)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        given: bytes = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = given.partition(b" ")
        return hmac.compare_digest(scheme.lower() + b" " + token, self._wanted)


class Bodies:
    """Reads the body of a request before it is answered: nothing else waits for a client that sends slowly."""

    def __init__(self, app: ASGIApp, *, most: int = MAX_BODY, seconds: float = BODY_SECONDS) -> None:
        """Stand before `app`; take at most `most` bytes, in at most so many seconds."""
        self._app = app
        self._most, self._seconds = most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with status 413 or 408 where a body is too large, or takes too long."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except RequestError as error:
            # The rest of the body is not read: this connection is of no more use.
            await Json(error.body, error.status, {"Connection": "close"})(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _Replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body; None where the client has left before its end."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if int(declared) > self._most:
            raise self._too_large()
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._most:
                        raise self._too_large()
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise RequestError(408, f"the body must arrive within {self._seconds:g} seconds") from None

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the body must have at most {self._most} bytes")


class _Replay:
    """A `Receive` that gives a body that was read, then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
