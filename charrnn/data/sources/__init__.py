"""Where a text can come from: a module for each kind of source, found here by the scheme of a line of `data.sources`.

A new kind is a new module in this folder with a subclass of `Source`; nothing else knows the kinds there are.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from charrnn.config.redaction import one_line
from charrnn.config.schemes import split_scheme
from charrnn.data.sources.source import ANY_SCHEME, NO_SCHEME, Source, split_checksum
from charrnn.errors import SourceError


def parse_source(text: str) -> Source:
    """Read a line of `data.sources`; a checksum may stand at its end.

    A line is a path unless it begins with `SCHEME://` or `SCHEME::`, or with the scheme of a kind and a colon.

    Raises:
        SourceError: no kind has its scheme, its kind does not take it, or its checksum is not a sha256.
    """
    name = one_line(text)
    location, sha256 = split_checksum(text.strip(), name)
    kinds, (scheme, is_url) = _kinds(), split_scheme(location)
    if not is_url and scheme not in kinds:
        scheme = NO_SCHEME
    kind = kinds.get(scheme) or kinds.get(ANY_SCHEME)
    if not location or kind is None or not kind.knows(scheme):
        forms = dict.fromkeys(kind.form() for kind in kinds.values())
        raise SourceError(f"{name or 'data.sources'}: must be one of: {'; '.join(forms)}")
    return kind(name, location, sha256)


@cache
def _kinds() -> dict[str, type[Source]]:
    """Return the kind for each scheme, from every module of this package."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return {scheme: kind for kind in Source.__subclasses__() for scheme in kind.schemes}
