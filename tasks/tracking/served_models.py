"""The models of a registry as a server has them: the one that a name or an alias means now, and every version.

A thread looks whether the name means another version by now. The new one is loaded beside the old one, which writes the
texts that it has begun to their end.
"""

import logging
import threading
from collections.abc import Sequence

from charrnn.completions.faults import in_one_line
from charrnn.completions.shelf import Listed, NoModelError, Served, UnknownModelError
from charrnn.errors import CharrnnError
from tasks.tracking.mlflow import Store, find_version, model_versions
from tasks.tracking.trained_models import load_registered

logger = logging.getLogger("charrnn")

LOOK_SECONDS = 4.0
"""How often it is asked what the name means: before MLflow's server closes the connection, which it does after 5 s."""
KEPT = 3
"""Other versions that were asked for and stay loaded."""


class ServedModels:
    """A `charrnn.completions.shelf.Shelf` of a registered model."""

    def __init__(self, store: Store, wanted: str) -> None:
        """Nothing is loaded yet.

        Args:
            store: has the registry.
            wanted: `NAME` (its newest version), `NAME@alias` or `NAME/VERSION`.
        """
        self._store, self._wanted = store, wanted
        self._current: Served | None = None
        # By name, the one asked for last at the end; in that order only while `_ordering` is held, which is never long.
        self._others: dict[str, Served] = {}
        self._ordering = threading.Lock()
        self._versions: list[Listed] = []
        # Held while a model is loaded: two at the same time would need the memory of both.
        self._loading = threading.Lock()
        self._said = ""

    def look(self) -> None:
        """Load the version that the name means now, if it is another than before.

        Raises:
            TrackingError: there is none, or the store does not answer.
            CheckpointError: it holds no checkpoint that can be read.
        """
        name, version = find_version(self._store, self._wanted)
        versions = sorted(model_versions(self._store, name), reverse=True)
        meant = f"{name}/{version}"
        if self._current is None or self._current.name != meant:
            with self._loading:
                self._current = self._load(meant)
        self._versions = [Listed(f"{name}/{number}", created) for number, created in versions]

    def follow(self, seconds: float = LOOK_SECONDS) -> None:
        """Look every so many seconds from now on, in a thread of its own that ends with the process."""
        threading.Thread(target=self._follow, args=(seconds,), name="registry", daemon=True).start()

    def listed(self) -> Sequence[Listed]:
        """See `Shelf.listed`: what the name means first, by this name, then each version, the newest first."""
        current, versions = self._current, self._versions
        if current is None:
            return []
        created = next((one.created for one in versions if one.name == current.name), 0)
        return [Listed(self._wanted, created), *(one for one in versions if one.name != self._wanted)]

    def at_hand(self, name: str | None) -> Served | None:
        """See `Shelf.at_hand`."""
        current = self._current
        if name in (None, self._wanted) or (current is not None and current.name == name):
            return current
        return self._other(name or "")

    def fetch(self, name: str | None) -> Served:
        """See `Shelf.fetch`."""
        with self._loading:
            found = self.at_hand(name)
            if found is None and (name in (None, self._wanted) or self._current is None):
                raise NoModelError
            if found is None and name not in {one.name for one in self._versions}:
                raise UnknownModelError
            if found is None:
                assert name is not None
                found = self._load(name)
                with self._ordering:
                    self._others[name] = found
                    for oldest in list(self._others)[:-KEPT]:
                        del self._others[oldest]
            return found

    def _other(self, name: str) -> Served | None:
        """Return another version that is loaded, which is now the one asked for last."""
        with self._ordering:
            found = self._others.pop(name, None)
            if found is not None:
                self._others[name] = found
            return found

    def _load(self, meant: str) -> Served:
        return self._other(meant) or Served.of(load_registered(self._store, meant), meant)

    def _follow(self, seconds: float) -> None:
        while True:
            threading.Event().wait(seconds)
            before = self._current
            try:
                self.look()
            except CharrnnError as error:
                self._say(str(error))
            except Exception as error:
                # Whatever it is, this thread goes on: else the name would not be followed any more, and nobody told.
                self._say(f"cannot follow {self._wanted}: {in_one_line(error)}")
            else:
                self._said = ""
                if self._current is not before and self._current is not None:
                    logger.info("serve     %s is %s now", self._wanted, self._current.name)

    def _say(self, problem: str) -> None:
        """Log a problem once while it lasts."""
        if problem != self._said:
            logger.warning("warning   %s", problem)
            self._said = problem
