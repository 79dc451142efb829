"""Takes credentials out of addresses before anyone sees them: logs, parameters, tags, errors."""

import re

from charrnn.undecodable import escaped

_URL = r"(?<=[\w+.-]://)(?!\*\*\*@)"
_USERINFO = re.compile(
    # User and password in front of an @, as they should be written; an @ in the path or after it separates nothing.
    rf"{_URL}[^/?#\s]*@"
    # A password that contains / ? or #: an @ comes after them, and what follows the colon is not a port.
    rf"|{_URL}(?!\[)[^/?#\s:@]*:(?!\d*(?:[/?#\s]|$))\S*@"
)
# A password that contains a blank, in a text that begins with the URL.
_USERINFO_WITH_BLANK = re.compile(rf"^(?P<scheme>\s*[a-zA-Z][\w+.-]*://){_URL}[^/?#\n]*@")
# Words in the name of a secret query parameter; short ones must stand alone: author and keyword are not secret.
_SECRET = r"(?i:token(?!i[sz])|secret(?!ar)|password|passwd|passphrase|signature|credential|authorization)"
_SECRET_WORD = (
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
    r"(?i:(?:api|access|account|auth|private|secret|shared|subscription)?key|sig|o?auth|pwd|pass)(?![a-z])"
)
_QUERY = re.compile(rf"(?P<name>[?&;#][^?=&;#\s]*?(?:{_SECRET}|{_SECRET_WORD})[^?=&;#\s]*=)(?!\*\*\*)[^&#\s]*")


def redact(text: str) -> str:
    """Return `text` with the user and password of every URL in it, and every secret-looking query value, as ***.

    What is redacted already stays as it is.

    >>> redact("cannot reach https://me:hunter2@host/a.txt?token=abc&page=2")
    'cannot reach https://***@host/a.txt?token=***&page=2'
    """
    text = _USERINFO_WITH_BLANK.sub(r"\g<scheme>***@", text)
    return _QUERY.sub(r"\g<name>***", _USERINFO.sub("***@", text))


def one_line(text: str) -> str:
    """Return `text` on one line, credentials redacted, bytes that are no UTF-8 as escapes: fit for a message."""
    return redact(escaped(" ".join(text.split())))
