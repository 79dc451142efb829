"""Prefect tasks, one a file, each around one library call, with progress and tracking.

Settings that Prefect and MLflow read when they are imported are made here, so that they hold wherever a task runs;
what the user has set stays.
"""

import os
from collections.abc import Mapping

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "charrnn",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # The first start of a temporary server makes its database; on a busy machine that outlasts the default 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Else a server starts seven processes, 1.7 GB in all, for jobs that nothing asks for.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A request to a store that is away fails in seconds; the transport must not repeat one that may have arrived.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Standard output belongs to the run id.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Programs differ in which of them they read first.
_EXCEPTIONS = ("NO_PROXY", "no_proxy")


def without_proxy(environment: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """Return the variables that keep requests to loopback addresses, and to `hosts`, away from every proxy.

    Args:
        environment: names the proxies, such as HTTP_PROXY or all_proxy, and the exceptions there are already, which
            stay.
        hosts: further names or addresses.

    Returns:
        NO_PROXY and no_proxy; nothing where no proxy is named: macOS takes its proxies from elsewhere then, until one
        of these variables is set.
    """
    proxies = {name for name, value in environment.items() if value and name.lower().endswith("_proxy")}
    if not proxies.difference(_EXCEPTIONS):
        return {}
    usual = next(filter(None, map(environment.get, _EXCEPTIONS)), "")
    return {name: _extended(environment.get(name) or usual, [*LOOPBACK, *hosts]) for name in _EXCEPTIONS}


def _extended(exceptions: str, hosts: list[str]) -> str:
    named = [host for part in exceptions.split(",") if (host := part.strip())]
    # An asterisk, which stands for every host, is understood by all programs only where it stands alone.
    return "*" if named == ["*"] else ",".join(dict.fromkeys([*named, *hosts]))


for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)
# Servers of this machine, and those that a run starts, are not behind the proxy that leads to the internet.
os.environ.update(without_proxy(os.environ))
