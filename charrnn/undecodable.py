"""Names with bytes that are no UTF-8: what people read of them, how they travel. Knows not where names come from.

Python has such a byte as a lone surrogate: the byte 0xef is U+DCEF. A path keeps it, so that the file is found again;
JSON, a database and a terminal take none.
"""

import re

# Those that stand for no byte.
_OTHERS = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_BYTES = re.compile("[\udc80-\udcff]+")
# Private characters that nobody uses, one for each byte.
_PORTABLE = {0xDC80 + offset: 0x10FE80 + offset for offset in range(128)}
_ORIGINAL = {private: surrogate for surrogate, private in _PORTABLE.items()}


def escaped(text: str) -> str:
    r"""Return `text` with each byte that is no UTF-8 as `\xef` and other lone surrogates as U+FFFD.

    Bytes that together are UTF-8, as a process without a UTF-8 locale gets them, become what they mean.

    >>> escaped("zy\udcef.txt"), escaped("na\udcc3\udcafve")
    ('zy\\xef.txt', 'naïve')
    """
    return _OTHERS.sub("\ufffd", text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def decoded(text: str) -> str:
    r"""Return `text` with bytes that together are UTF-8 as what they mean; others stay as they are.

    For text, which is UTF-8 whatever the locale is; not for a path, whose bytes must stay.

    >>> decoded("na\udcc3\udcafve \udcef")
    'naïve \udcef'
    """
    return _BYTES.sub(
        lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"), text
    )


def portable(text: str) -> str:
    """Return `text` so that JSON and YAML take it: bytes that are no UTF-8 as private characters, see `original`."""
    return text.translate(_PORTABLE)


def original(text: str) -> str:
    """Return the text of which `portable` made `text`."""
    return text.translate(_ORIGINAL)
