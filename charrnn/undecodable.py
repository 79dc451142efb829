"""Names with bytes that are no UTF-8: what people read of them. Knows nothing of where names come from.

Python has such a byte as a lone surrogate: the byte 0xef is U+DCEF. A path keeps it, so that the file is found again;
JSON, a database and a terminal take none.
"""

import re

# Those that stand for no byte.
_OTHERS = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def escaped(text: str) -> str:
    r"""Return `text` with each byte that is no UTF-8 as `\xef` and other lone surrogates as U+FFFD.

    Bytes that together are UTF-8, as a process without a UTF-8 locale gets them, become what they mean.

    >>> escaped("zy\udcef.txt"), escaped("na\udcc3\udcafve")
    ('zy\\xef.txt', 'naïve')
    """
    return _OTHERS.sub("\ufffd", text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
