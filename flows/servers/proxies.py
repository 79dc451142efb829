"""The proxies that the environment names: whether the clients of Prefect and MLflow can read their addresses."""

from urllib.request import getproxies_environment

import httpx

from charrnn.config.redaction import redact
from charrnn.errors import ServerError


def check_proxies() -> None:
    """Check the addresses of all proxies: a client reads them also where no request goes through one.

    Raises:
        ServerError: one is malformed.
    """
    for scheme, address in getproxies_environment().items():
        if scheme == "no":
            continue
        try:
            httpx.Proxy(address if "://" in address else f"http://{address}")
        except (ValueError, httpx.InvalidURL) as error:
            named = f"{scheme}_proxy".upper()
            raise ServerError(f"{named} {redact(address)}: is no address of a proxy: {redact(str(error))}") from None
