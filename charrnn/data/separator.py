"""Cuts a text that comes in pieces at each separator. Knows nothing of what the parts are."""


class Splitter:
    """Gives the parts that `str.split` would give of the whole text, each once it has ended."""

    def __init__(self, separator: str) -> None:
        """Cut at `separator`, which is not empty."""
        self._separator = separator
        # The part that has begun: what no separator can begin in any more, and the end of it, in which one may.
        self._begun: list[str] = []
        self._end = ""

    def feed(self, text: str) -> list[str]:
        """Take the next piece; return the parts that separators in it end."""
        first, *others = (self._end + text).split(self._separator)
        ended = []
        if others:
            *inner, last = others
            ended = ["".join([*self._begun, first]), *inner]
            self._begun, first = [], last
        cut = max(len(first) - len(self._separator) + 1, 0)
        self._begun.append(first[:cut])
        self._end = first[cut:]
        return ended

    def finish(self) -> str:
        """Return the last part, which the end of the text ends."""
        return "".join([*self._begun, self._end])
