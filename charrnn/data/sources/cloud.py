"""A file in any store that fsspec opens by URL: s3://, gs://, az://, hf:// and more.

fsspec, and the plug-in that it has for a store, are imported once such a source is used. Each store finds its
credentials by itself, such as in the environment.
"""

import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

from charrnn.config.redaction import one_line, redact
from charrnn.data.archives import members_of
from charrnn.data.limits import Limits, too_large
from charrnn.data.sources.source import ANY_SCHEME, Fetched, OnProgress, Source, UnreachableError
from charrnn.errors import SourceError
from charrnn.files import workspace

_PIECE = 2**20
# Schemes of fsspec that are not stores: views of another one, or this machine.
_VIEWS = "async_wrapper asyncwrapper blockcache cached dir filecache generic libarchive reference simplecache tar zip"
_NO_STORES = frozenset([*_VIEWS.split(), "asynclocal", "data", "file", "local", "pyscript"])
# Schemes whose URLs have ORG:REPOSITORY@ where others have USER:PASSWORD@.
_REPOSITORIES = {"git", "github"}
_USERINFO = re.compile(r"[^:/]+://(?P<user>[^:@/?#]*)(?P<password>:.*)?@", re.DOTALL)
_QUERY = re.compile(r"[?&](?P<name>[^=&#]+)=(?P<value>[^&#]+)")

T = TypeVar("T")


@dataclass(frozen=True)
class CloudSource(Source):
    """The file at a URL of a scheme that fsspec knows and no other kind has."""

    schemes: ClassVar[tuple[str, ...]] = (ANY_SCHEME,)

    def __post_init__(self) -> None:
        if "::" in self.location:
            raise SourceError(f"{self.name}: a chain of URLs is not opened; name the file itself")
        if self._scheme in _NO_STORES:
            raise SourceError(f"{self.name}: {self._scheme}:// is not a store; name the file itself")

    @classmethod
    def knows(cls, scheme: str) -> bool:
        """Return whether fsspec knows the scheme, whether or not its plug-in is installed."""
        return scheme in _fsspec().available_protocols()

    @classmethod
    def form(cls) -> str:
        """Return how lines of this kind are written, for messages."""
        return f"SCHEME://... of {', '.join(sorted(set(_fsspec().available_protocols()) - _NO_STORES))}"

    @property
    def identity(self) -> str:
        """The key of its text in the cache. What stands before an @ may be a place and is kept: az://CONTAINER@ACCOUNT."""
        userinfo = _USERINFO.match(self.location)
        if not userinfo:
            return self.name
        place = userinfo["user"]
        if self._scheme in _REPOSITORIES:
            place += userinfo["password"] or ""
        return f"{self.name}\n{place}"

    def fetch(self, part: Path, limits: Limits, on_progress: OnProgress | None) -> tuple[Fetched, ...]:
        """Download it. See `Source.fetch`."""
        with workspace(part.parent) as folder:
            self._download(folder / "file", limits, on_progress)
            os.replace(folder / "file", part)
        file_name = PurePosixPath(self.location.partition("?")[0]).name
        return (Fetched(self.label, part, members_of(part, file_name, self.label)),)

    def _download(self, path: Path, limits: Limits, on_progress: OnProgress | None) -> None:
        source = self._answer(self._open, limits.timeout)
        size = getattr(source, "size", None)
        total = size if isinstance(size, int) else None
        done = 0
        with open(path, "wb") as file:
            while True:
                if max(done, total or 0) > limits.max_bytes:
                    raise too_large(self.name, limits.max_bytes)
                piece = self._answer(lambda: source.read(_PIECE), limits.timeout)
                if not piece:
                    break
                file.write(piece)
                done += len(piece)
                if on_progress:
                    on_progress(done, total)
        with suppress(UnreachableError):  # everything has come
            self._answer(source.close, limits.timeout)

    def _open(self) -> Any:
        """Return the file, open for reading; raises whatever the store raises."""
        url = self._scheme + self.location[len(self._scheme) :]  # fsspec knows schemes in lower case
        system, path = _fsspec().url_to_fs(url)
        # How much it reads ahead (bytes): so little that a slow connection gets it before the timeout.
        return system.open(path, "rb", block_size=_PIECE)

    def _answer(self, ask: Callable[[], T], timeout: float) -> T:
        """Return what `ask` returns.

        It runs in a thread, which is abandoned if it does not end: few stores have a timeout of their own.

        Raises:
            UnreachableError: it raised something, or nothing came within `timeout` (s).
        """
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)

        Thread(target=run, daemon=True).start()
        try:
            return answer.result(timeout)
        except TimeoutError:
            raise UnreachableError(f"no answer within {timeout:g} s") from None
        except ImportError as error:
            raise UnreachableError(f"{self._said(error)}: python -m pip install {self._plug_in}") from None
        except Exception as error:  # each store has errors of its own
            raise UnreachableError(f"{type(error).__name__}: {self._said(error)}") from None

    @property
    def _scheme(self) -> str:
        return self.location.partition(":")[0].lower()

    @property
    def _plug_in(self) -> str:
        """What pip calls the package that opens the store."""
        package = import_module("fsspec.registry").known_implementations[self._scheme]["class"].partition(".")[0]
        return f"'fsspec[{self._scheme}]'" if package == "fsspec" else str(package)

    def _said(self, error: BaseException) -> str:
        """Return what `error` says, on one line, without the credentials of the URL, quoted or not."""
        text = str(error)
        for secret in self._secrets():
            text = text.replace(secret, "***").replace(unquote(secret), "***")
        return one_line(text)

    def _secrets(self) -> list[str]:
        """Return the credentials in the URL: a password, a user who has none, and what a secret parameter is set to."""
        found = [value for name, value in _QUERY.findall(self.location) if redact(f"?{name}=x") == f"?{name}=***"]
        if userinfo := _USERINFO.match(self.location):
            found.append(userinfo["password"][1:] if userinfo["password"] else f"{userinfo['user']}@")
        # The URL itself is redacted in any case. To mask a shorter one wherever it occurs would garble the words, and
        # the gaps would tell it.
        return [secret for secret in found if len(secret) > 3]


def _fsspec() -> Any:
    """Return fsspec, which has no annotations and is imported only when it is used."""
    return import_module("fsspec")
