"""Takes credentials out of addresses before anyone sees them: logs, parameters, tags, errors."""

import re

_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@]*(?:@[^/\s@]*)*@")
_SECRET_QUERY = re.compile(
    r"(?P<key>[?&][^=&#\s]*(?:token|key|secret|password|passwd|sig|signature|auth|credential)[^=&#\s]*=)[^&#\s]*",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return `text` with the user and password of every URL in it, and every secret-looking query value, as ***.

    >>> redact("cannot reach https://me:hunter2@host/a.txt?token=abc&page=2")
    'cannot reach https://***@host/a.txt?token=***&page=2'
    """
    return _SECRET_QUERY.sub(r"\g<key>***", _USERINFO.sub(r"\g<scheme>***@", text))
