"""A proxy whose address nothing can read is named before anything starts."""

import pytest

from charrnn.errors import ServerError
from flows.servers.proxies import check_proxies


@pytest.mark.parametrize("address", ["garbage://x", "http://[::1", "http://user:secret@host:x"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_one_that_is_malformed_is_named(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(ServerError, match=rf"^{name.upper()} .*: is no address of a proxy: ") as caught:
        check_proxies()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "http://127.0.0.1:9", "socks5://127.0.0.1:9", ""])
def test_others_are_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setenv("NO_PROXY", "*")
    check_proxies()
