"""What is sent of an event, and what an address that is none, or does not answer, looks like."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prefect.blocks.system import Secret

from charrnn.config.loading import PROJECT
from charrnn.errors import ServerError
from flows.deployed.notify import BLOCK, notify
from tests.receiver import Receiver, receiving

once = notify.with_options(retries=0)


@pytest.fixture
def receiver(api_url: str) -> Iterator[Receiver]:
    with receiving() as found:
        Secret(value=f"json://ada:hunter2@127.0.0.1:{found.port}/hook").save(BLOCK, overwrite=True)
        yield found
    Secret.delete(BLOCK)


def test_an_event_is_sent_to_the_address_in_the_block_through_no_proxy(receiver: Receiver, api_url: str) -> None:
    # As a worker does: it imports the file alone.
    script = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("notify", {str(PROJECT / "flows" / "deployed" / "notify.py")!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.notify("charrnn.promoted", "version 3 <b>rhymes</b>", "http://ml/#/runs/1"))
"""
    proxies = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = {**proxies, "HTTP_PROXY": "http://127.0.0.1:9", "PREFECT_API_URL": api_url}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "sent: charrnn.promoted\n", done.stderr
    (message,) = receiver.posted
    assert (message["title"], message["message"]) == ("charrnn.promoted", "version 3 <b>rhymes</b>\nhttp://ml/#/runs/1")


def test_a_message_that_is_not_taken_fails_the_flow_run_and_names_no_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    for receiver.status in (503, 302):
        with caplog.at_level("DEBUG"), pytest.raises(ServerError, match=f"block {BLOCK}: its address did not take"):
            once("charrnn.drift", "The text is empty.")
    Secret(value="no address: hunter2").save(BLOCK, overwrite=True)
    with caplog.at_level("DEBUG"), pytest.raises(ServerError, match=f"block {BLOCK}: must be an address that Apprise"):
        once("charrnn.drift", "The text is empty.")
    assert "hunter2" not in caplog.text


def test_without_the_block_nothing_is_sent(api_url: str) -> None:
    state = once("charrnn.drift", "The text is empty.", return_state=True)
    assert (state.is_completed(), state.message) == (True, f"not sent: there is no Secret block {BLOCK}")
