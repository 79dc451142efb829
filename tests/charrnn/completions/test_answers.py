"""Answers as they are sent: JSON, events, and what comes when a text fails."""

import json
import math
from typing import Any

import httpx
import pytest

from charrnn.completions.answers import as_json
from charrnn.completions.app import create_app
from charrnn.completions.shelf import OneModel
from tests.charrnn.completions.models import running, served


def post(address: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{address}/v1/completions", json=fields)


def test_json_has_a_form_for_every_character_and_none_for_nan() -> None:
    assert as_json({"a": "\ud800é"}) == b'{"a":"\\ud800\\u00e9"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json([math.nan])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fields", [{}, {"logprobs": 1}, {"logprobs": 0, "max_tokens": 0, "n": 2}])
def test_a_text_that_fails_after_some_characters_says_so(fields: dict[str, Any], stream: bool) -> None:
    broken = served()
    broken.writer.network.decoder.bias.fill_(math.nan)
    with running(create_app(OneModel(broken))) as address:
        answer = post(address, prompt="ab", echo=True, stream=stream, **fields)
        assert httpx.get(f"{address}/healthz").status_code == 200
    last = answer.text.removeprefix("data: ").strip().rpartition("data: ")[2] if stream else answer.text
    assert json.loads(last)["error"]["message"] == "the model's logits are not finite: its training diverged"
    assert answer.status_code == (200 if stream else 500)
    assert ('"text":"a' in answer.text) == stream


def test_events_of_a_stream_together_are_the_whole_answer() -> None:
    fields: dict[str, Any] = {"prompt": "ab", "echo": True, "logprobs": 1, "seed": 3, "max_tokens": 20}
    with running(create_app(OneModel(served()))) as address:
        (whole,) = post(address, **fields).json()["choices"]
        lines = post(address, **fields, stream=True).text.split("\n\n")
    events = [json.loads(line.removeprefix("data: "))["choices"][0] for line in lines if line.startswith("data: {")]
    assert "".join(event["text"] for event in events) == whole["text"]
    for name in ("tokens", "text_offset", "top_logprobs"):
        parts = [one for event in events for one in event["logprobs"][name]]
        assert len(parts) == len(whole["logprobs"][name]) == 22
    assert events[-1]["finish_reason"] == whole["finish_reason"]
