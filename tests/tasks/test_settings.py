"""The settings that `tasks` makes before Prefect and MLflow are imported: what never goes through a proxy."""

from urllib.request import proxy_bypass

import httpx
import pytest
from requests.utils import should_bypass_proxies

from tasks import without_proxy

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "localhost,127.0.0.1,::1,10.0.0.7"),
        ({"NO_PROXY": "intranet, ,127.0.0.1"}, "intranet,127.0.0.1,localhost,::1,10.0.0.7"),
        ({"no_proxy": "intranet"}, "intranet,localhost,127.0.0.1,::1,10.0.0.7"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_this_machine_joins_the_exceptions_that_are_there(before: dict[str, str], after: str) -> None:
    expected = {"NO_PROXY": after, "no_proxy": after}
    assert without_proxy({"https_proxy": PROXY, **before}, "10.0.0.7") == expected
    assert without_proxy({"https_proxy": PROXY, **expected}, "10.0.0.7") == expected


def test_exceptions_that_differ_stay_apart() -> None:
    both = without_proxy({"ALL_PROXY": PROXY, "NO_PROXY": "one", "no_proxy": "two"})
    assert both == {"NO_PROXY": "one,localhost,127.0.0.1,::1", "no_proxy": "two,localhost,127.0.0.1,::1"}


def test_where_no_proxy_is_named_nothing_is_set() -> None:
    assert without_proxy({"NO_PROXY": "intranet", "http_proxy": ""}, "10.0.0.7") == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_the_clients_of_prefect_and_mlflow_understand_them(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, PROXY)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in without_proxy({"HTTP_PROXY": PROXY}).items():
        monkeypatch.setenv(name, value)
    with httpx.Client() as client:
        direct, other = (client._transport_for_url(httpx.URL(f"http://{name}:1")) for name in (host, "text.example"))
        assert direct is client._transport
        assert other is not client._transport
    assert should_bypass_proxies(f"http://{host}:1", None)
    assert not should_bypass_proxies("http://text.example:1", None)
    assert host == "[::1]" or proxy_bypass(f"{host}:1")  # as websockets asks
