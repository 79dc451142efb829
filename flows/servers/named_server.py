"""The Prefect server that the settings name: whether it answers, and which of the places of a setting names it."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from dotenv import dotenv_values
from prefect.client.orchestration import get_client
from prefect.context import get_settings_context
from prefect.exceptions import PrefectHTTPStatusError

from charrnn.config.redaction import redact
from charrnn.errors import ServerError

VARIABLE = "PREFECT_API_URL"


def check_named(url: str) -> None:
    """Check that the server at `url`, the address in Prefect's settings, answers. Raises ServerError."""
    with get_client(sync_client=True) as client:
        try:
            client.api_version()  # the health check would succeed without the password, too
        except PrefectHTTPStatusError as error:
            status = error.response.status_code
            wanted = "; it wants PREFECT_API_AUTH_STRING=USER:PASSWORD" if status == 401 else ""
            raise ServerError(f"{_named(url)}: the Prefect server answers {status}{wanted}") from None
        except httpx.HTTPError as error:
            raise ServerError(f"{_named(url)}: the Prefect server does not answer: {redact(str(error))}") from None


def _named(url: str) -> str:
    """Return the setting with its value, credentials redacted, and where it stands if not in the environment."""
    place = naming_place()
    return f"{VARIABLE} {redact(url)}" + (f" ({place})" if place else "")


def naming_place() -> str:
    """Return in words which place names the server, '' for the environment.

    The places and their order are those of Prefect: the environment, then in the working directory .env, prefect.toml
    and pyproject.toml, then the profile (https://docs.prefect.io/v3/concepts/settings-and-profiles).
    """
    if os.environ.get(VARIABLE):
        return ""
    files: dict[str, Callable[[], Any]] = {
        ".env": lambda: dotenv_values(".env").get(VARIABLE),
        "prefect.toml": lambda: _value("prefect.toml", "api", "url"),
        "pyproject.toml": lambda: _value("pyproject.toml", "tool", "prefect", "api", "url"),
    }
    for name, value in files.items():
        if value():
            return f"in {Path(name).absolute()}"
    profile = get_settings_context().profile
    return f"of the profile '{profile.name}' in {profile.source}"


def _value(file: str, *keys: str) -> Any:
    """Return the value under nested `keys` of a TOML file, which Prefect has read; None where there is none."""
    path = Path(file)
    value: Any = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
