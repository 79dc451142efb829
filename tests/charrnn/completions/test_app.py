"""The server as the `openai` package sees it: what is answered, streamed and refused."""

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from charrnn.completions.app import create_app
from charrnn.completions.batch import Batch, Prime
from charrnn.completions.engine import Job
from charrnn.completions.orders import MAX_TOKENS, Order, order
from charrnn.completions.protocol import (
    MAX_LENGTH,
    MAX_PROMPT,
    MAX_RATED,
    MAX_SCORED,
    MAX_WRITTEN,
    CompletionRequest,
)
from charrnn.completions.shelf import OneModel, Served
from charrnn.completions.text import Text
from charrnn.config.sampling_options import SamplingOptions
from charrnn.config.schema import DataParams
from charrnn.evaluation.surprisal import score_text
from charrnn.generation.sampling import sample
from tests.charrnn.completions.models import figures, running, served, until, until_idle

TOKEN = "a-token"
MODEL = served()
DOCUMENTS = served("lines", documents=True)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(create_app(OneModel(MODEL), TOKEN)) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def documents() -> Iterator[OpenAI]:
    with (
        running(create_app(OneModel(DOCUMENTS))) as address,
        OpenAI(base_url=f"{address}/v1", api_key="none is needed", max_retries=0) as client,
    ):
        yield client


def plain(prime: str = "", length: int = MAX_TOKENS, seed: int = 1, **options: Any) -> str:
    """What the sampler writes."""
    given = SamplingOptions.model_validate(
        {"temperature": 1.0, **options, "prime": prime, "length": length, "seed": seed}
    )
    return sample(MODEL.writer.network, MODEL.writer.vocabulary, given)


def post(address: str, path: str = "/v1/completions", **fields: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    return httpx.post(f"{address}{path}", content=json.dumps(fields), headers=headers)


def refused(address: str, path: str = "/v1/completions", **fields: object) -> tuple[int, str, str | None]:
    answer = post(address, path, **fields)
    error = answer.json()["error"]
    return answer.status_code, error["message"], error["param"]


# Texts


def test_the_text_is_that_of_the_sampler_with_the_same_seed_and_options(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt="ab", max_tokens=40, seed=7, temperature=0.7, top_p=0.9)
    assert answer.choices[0].text == plain("ab", 40, 7, temperature=0.7, top_p=0.9)
    assert answer.choices[0].finish_reason == "length"
    assert answer.model == "tiny"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 40, 42)


def test_our_own_filters_may_be_given(client: OpenAI) -> None:
    ours: dict[str, Any] = {"top_k": 2, "min_p": 0.1}
    answer = client.completions.create(model="tiny", prompt="ab", seed=7, extra_body=ours)
    assert answer.choices[0].text == plain("ab", seed=7, **ours)


def test_without_fields_the_defaults_are_those_of_openai(address: str) -> None:
    answer = post(address).json()
    assert len(answer["choices"][0]["text"]) == 16
    assert answer["usage"]["prompt_tokens"] == 0
    null: dict[str, Any] = dict.fromkeys(
        ("prompt", "max_tokens", "temperature", "top_p", "n", "stop", "suffix", "logit_bias", "model")
    )
    assert post(address, **null, seed=1).json()["choices"][0]["text"] == plain()
    neutral: dict[str, Any] = {
        "n": 1,
        "best_of": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0.0,
        "user": "somebody",
    }
    assert post(address, **neutral, seed=1, top_p=1, temperature=1).json()["choices"][0]["text"] == plain()


def test_without_a_seed_each_text_is_another(address: str) -> None:
    texts = {post(address, max_tokens=30).json()["choices"][0]["text"] for _ in range(3)}
    assert len(texts) == 3


def test_several_texts_of_several_prompts_are_in_their_order_with_seeds_that_follow(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt=["ab", "", "c😀"], n=2, max_tokens=25, seed=3)
    assert [choice.index for choice in answer.choices] == list(range(6))
    expected = [plain(prime, 25, seed) for prime in ("ab", "", "c😀") for seed in (3, 4)]
    assert [choice.text for choice in answer.choices] == expected
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 150)


@pytest.mark.parametrize("several", [False, True])
def test_a_stop_ends_the_text_and_is_no_part_of_it(several: bool, client: OpenAI) -> None:
    whole = plain("ab", 300, 5)
    stop = whole[40:43]
    given = [stop, "aaaaaaaaaaaa", "xyz"] if several else stop
    answer = client.completions.create(model="tiny", prompt="ab", max_tokens=300, seed=5, stop=given)
    assert answer.choices[0].text == whole[: whole.index(stop)]
    assert answer.choices[0].finish_reason == "stop"
    streamed = client.completions.create(model="tiny", prompt="ab", max_tokens=300, seed=5, stop=given, stream=True)
    events = [event.choices[0] for event in streamed]
    assert "".join(choice.text for choice in events) == whole[: whole.index(stop)]
    assert [choice.finish_reason for choice in events][-1] == "stop"


def test_a_document_ends_with_its_stop_symbol(documents: OpenAI) -> None:
    answer = documents.completions.create(model="lines", prompt="a", n=8, max_tokens=200, seed=1)
    made = DOCUMENTS.writer
    for seed, choice in enumerate(answer.choices, 1):
        options = SamplingOptions(prime="a", length=200, temperature=1, seed=seed)
        expected = sample(made.network, made.vocabulary, options, documents=True)
        assert choice.text == expected
        assert choice.finish_reason == ("stop" if len(expected) < 200 else "length")
    assert any(choice.finish_reason == "stop" for choice in answer.choices)


def test_echo_begins_with_the_prompt(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt="ab", echo=True, seed=1)
    assert answer.choices[0].text == "ab" + plain("ab")
    nothing = client.completions.create(model="tiny", prompt="ab", echo=True, max_tokens=0)
    assert (nothing.choices[0].text, nothing.choices[0].finish_reason) == ("ab", "length")
    with client.completions.create(model="tiny", prompt="ab", echo=True, seed=1, stream=True) as streamed:
        assert "".join(event.choices[0].text for event in streamed) == "ab" + plain("ab")


def test_log_probabilities_of_an_echoed_prompt_are_its_surprisal(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt="abcd", echo=True, max_tokens=3, logprobs=5, seed=1)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert logprobs.top_logprobs is not None
    assert "".join(logprobs.tokens) == answer.choices[0].text
    assert logprobs.text_offset == list(range(7))
    assert logprobs.token_logprobs[0] is None
    made = MODEL.writer
    bits = score_text(made.network, made.vocabulary, made.data, answer.choices[0].text).bits[1:]
    assert [-one / math.log(2) for one in logprobs.token_logprobs[1:]] == pytest.approx(bits, abs=1e-4)
    for top, given in zip(logprobs.top_logprobs[1:], logprobs.token_logprobs[1:], strict=True):
        assert len(top) == 5
        assert max(top.values()) >= given - 1e-9


def test_without_echo_offsets_begin_after_the_prompt(address: str) -> None:
    logprobs = post(address, prompt="abc", max_tokens=2, logprobs=0).json()["choices"][0]["logprobs"]
    assert logprobs["text_offset"] == [3, 4]
    assert logprobs["top_logprobs"] is None


def test_a_bias_is_given_by_character(client: OpenAI) -> None:
    answer = client.completions.create(model="tiny", prompt="a", logit_bias={"😀": 100}, seed=1)
    assert answer.choices[0].text == "😀" * 16


def test_the_bias_of_the_stop_symbol_has_an_empty_key(documents: OpenAI) -> None:
    answer = documents.completions.create(model="lines", prompt="a", logit_bias={"": 100})
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("", "stop")


# Streams


def test_a_stream_is_the_same_text_in_pieces(client: OpenAI) -> None:
    streamed = client.completions.create(
        model="tiny", prompt=["ab", "c"], max_tokens=60, seed=2, stream=True, stream_options={"include_usage": True}
    )
    texts, reasons, usages = ["", ""], [[], []], []  # type: tuple[list[str], list[list[Any]], list[Any]]
    for event in streamed:
        usages.append(event.usage)
        for choice in event.choices:
            texts[choice.index] += choice.text
            reasons[choice.index].append(choice.finish_reason)
    assert texts == [plain("ab", 60, 2), plain("c", 60, 2)]
    assert set(reasons[0][:-1]) | set(reasons[1][:-1]) <= {None}
    assert [those[-1] for those in reasons] == ["length", "length"]
    assert set(usages[:-1]) == {None}
    assert usages[-1].completion_tokens == 120


def test_characters_that_are_ready_at_the_same_time_share_an_event(client: OpenAI) -> None:
    streamed = client.completions.create(model="tiny", prompt="ab", max_tokens=5000, seed=2, stream=True)
    assert 1 < len(list(streamed)) < 5000


def test_a_stream_ends_with_done(address: str) -> None:
    lines = [line for line in post(address, stream=True).text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in lines[:-1])


# What the model cannot use


def test_unknown_characters_are_dropped_with_a_warning_or_refused(address: str) -> None:
    answer = post(address, prompt="a☃b", stop="☃", seed=1).json()
    assert answer["choices"][0]["text"] == plain("ab")
    assert answer["warnings"] == [
        "stop: the model never writes '☃' (SNOWMAN); it ends no text",
        "prompt: the model has never seen '☃' (SNOWMAN); dropped",
    ]
    message = "prompt.1: the model has never seen '☃' (SNOWMAN)"
    assert refused(address, prompt=["a", "☃"], strict=True) == (400, message, "prompt.1")
    assert refused(address, stop="☃", strict=True)[0] == 400


def test_whatever_a_prompt_holds_the_server_answers(address: str) -> None:
    for prompt in ("\ud800", "\x00", "<script>", "‮ab", "e\u0301", "\ufeff"):
        assert post(address, prompt=prompt, echo=True).status_code == 200


def test_lone_surrogates_are_characters_that_the_model_has_never_seen(address: str) -> None:
    for text in ("\ud800", "a\udfffb"):
        answer = post(address, prompt=text, user=text, stop=text)
        assert answer.status_code == 200
        assert len(answer.json()["warnings"]) == 2
        assert post(address, prompt="a", stop=[text]).status_code == 200
        assert post(address, "/score", text=text).json()["unknown"] == 1
        for path, fields in (("/v1/completions", {"prompt": text}), ("/score", {"text": text})):
            assert "has never seen" in refused(address, path, **fields, strict=True)[1]


def test_limits_hold_for_texts_as_the_model_reads_them() -> None:
    composed = served()
    reads = replace(composed.writer, data=DataParams(unicode_form="NFKC"))  # of which one ligature makes two letters
    with running(create_app(OneModel(replace(composed, writer=reads, batch=Batch(reads))))) as address:
        for path, fields, message in (
            (
                "/v1/completions",
                {"prompt": "\ufb00" * (MAX_PROMPT // 2 + 1)},
                f"prompt: must have at most {MAX_PROMPT} characters, has {MAX_PROMPT + 2} as the model reads it",
            ),
            (
                "/v1/completions",
                {"prompt": "\ufb00" * (MAX_RATED // 2), "echo": True, "logprobs": 0, "max_tokens": 1},
                f"logprobs: an answer may have {MAX_RATED} characters with log-probabilities, got {MAX_RATED + 1}",
            ),
            (
                "/v1/completions",
                {"stop": "\ufb00" * 501},
                "stop: must have at most 1000 characters, has 1002 as the model reads it",
            ),
            (
                "/score",
                {"text": "\ufb00" * (MAX_SCORED // 2 + 1)},
                f"text: must have at most {MAX_SCORED} characters, has {MAX_SCORED + 2} as the model reads it",
            ),
        ):
            assert refused(address, path, **fields)[:2] == (400, message)


def test_whatever_a_field_holds_the_reason_can_be_sent(address: str) -> None:
    for fields in ({"temperature": "\ud800"}, {"\ud800": 1}, {"model": "\ud800"}, {"logit_bias": {"\ud800": 1}}):
        assert post(address, **fields).status_code in (400, 404)


# Errors


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 10_000}, "n: must be <= 128, got 10000"),
        ({"n": 0}, "n: must be >= 1, got 0"),
        ({"n": 65, "prompt": ["a", "b"]}, "n: must ask for at most 128 texts, asks for 130 (2 prompts)"),
        ({"max_tokens": -1}, "max_tokens: must be >= 0, got -1"),
        ({"max_tokens": MAX_LENGTH + 1}, f"max_tokens: must be <= {MAX_LENGTH}, got {MAX_LENGTH + 1}"),
        (
            {"max_tokens": MAX_LENGTH, "n": 11},
            f"max_tokens: all texts together may have {MAX_WRITTEN} characters, got {11 * MAX_LENGTH} (11 texts)",
        ),
        (
            {"prompt": "a" * MAX_PROMPT, "n": 10, "max_tokens": 1, "echo": True},
            f"max_tokens: all texts together may have {MAX_WRITTEN} characters, got {10 * MAX_PROMPT + 10} (10 texts)",
        ),
        (
            {"prompt": "a" * (MAX_PROMPT + 1)},
            f"prompt: must have at most {MAX_PROMPT} characters, has {MAX_PROMPT + 1}",
        ),
        ({"prompt": []}, "prompt: must be text, or a list of 1 to 128 texts, got []"),
        ({"prompt": [1, 2]}, "prompt: must be text, or a list of 1 to 128 texts, got [1, 2]"),
        ({"temperature": 2.1}, "temperature: must be <= 2, got 2.1"),
        ({"temperature": True}, "temperature: must be a number, got true"),
        ({"top_p": 0}, "top_p: must be > 0, got 0"),
        ({"top_k": 0}, "top_k: must be >= 1, got 0"),
        ({"logprobs": 6}, "logprobs: must be <= 5, got 6"),
        (
            {"logprobs": 1, "max_tokens": MAX_RATED + 1},
            f"logprobs: an answer may have {MAX_RATED} characters with log-probabilities, got {MAX_RATED + 1}",
        ),
        (
            {"stop": list("abcde")},
            "stop: must be text of 1 to 1000 characters, or a list of at most 4 such texts, "
            'got ["a", "b", "c", "d", "e"]',
        ),
        ({"logit_bias": {"a": 101}}, "logit_bias.a: must be <= 100, got 101"),
        (
            {"logit_bias": {"50256": 1}},
            "logit_bias: keys must be characters that the model knows, not ids, got '50256'",
        ),
        ({"best_of": 2}, "best_of: must be as many as n, 1, got 2"),
        ({"suffix": "a"}, 'suffix: must be null: the model writes forwards only, got "a"'),
        ({"presence_penalty": 0.5}, "presence_penalty: must be 0: there are no penalties, got 0.5"),
        ({"stream_options": {"include_usage": True}}, "stream_options: not allowed without stream"),
        ({"seed": -1}, "seed: must be >= 0, got -1"),
        ({"tools": []}, "tools: unknown field"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(fields: dict[str, Any], message: str, address: str) -> None:
    status, said, param = refused(address, **fields)
    assert (status, said) == (400, message)
    assert param == message.partition(":")[0].partition(".")[0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON: Expecting property name enclosed in double quotes"),
        (b"", "the body must be given"),
        (b"[]", "the body must be a map of parameters, got []"),
        (b'{"temperature": NaN}', "temperature: must be a finite number, got NaN"),
        (b'{"temperature": -Infinity}', "temperature: must be a finite number, got -Infinity"),
        (b'{"prompt": ' + b"[" * 100_000, "the body is not JSON: it is nested too deeply"),
        (b'{"prompt": "\xff"}', "the body is not JSON: it is not UTF-8 text"),
        (b'{"seed": ' + b"1" * 6000 + b"}", "the body is not JSON: it has a number with too many digits"),
        (b"\xff\xfe", "the body is not JSON: Expecting value"),
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes, message: str, address: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    answer = httpx.post(f"{address}/v1/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_declared_as_json_is_refused_by_its_header(kind: str | None, address: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({} if kind is None else {"Content-Type": kind})
    for path in ("/v1/completions", "/score"):
        answer = httpx.post(f"{address}{path}", content=b'{"prompt": "a"}', headers=headers)
        message = f'Content-Type: must be application/json, got "{kind or ""}"'
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.completions.create(model="gpt-4", prompt="a")
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_the_client_gets_our_reason(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="temperature: must be <= 2, got 3"):
        client.completions.create(model="tiny", prompt="a", temperature=3)


def test_paths_and_methods_that_there_are_not_are_said_in_the_same_form(address: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{address}/nowhere", headers=headers).json()["error"]["message"] == (
        "/nowhere: there is no such path; texts are written by POST /v1/completions"
    )
    answer = httpx.delete(f"{address}/score", headers=headers)
    assert (answer.status_code, answer.json()["error"]["message"]) == (405, "Method Not Allowed")
    assert answer.headers["Allow"] == "POST"


# The rest


def test_the_model_is_listed(client: OpenAI) -> None:
    assert [one.id for one in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"


def test_a_score_is_that_of_the_library(address: str) -> None:
    answer = post(address, "/score", text="ab☃c").json()
    made = MODEL.writer
    scored = score_text(made.network, made.vocabulary, made.data, "ab☃c")
    assert answer["bits_per_char"] == scored.bits_per_char
    assert (answer["model"], answer["characters"], answer["unknown"]) == ("tiny", 2, 1)
    assert answer["warnings"] == "score: the model has never seen '☃' (SNOWMAN); left out"
    assert [one["character"] for one in answer["surprisal"]] == list("ab☃c")
    assert [one["bits"] is None for one in answer["surprisal"]] == [True, False, True, False]
    assert post(address, "/score", text="abc", surprisal=False).json()["surprisal"] is None
    assert post(address, "/score", text="").json()["bits_per_char"] is None
    assert refused(address, "/score", text="☃", strict=True)[0] == 400
    too_long = f"text: must have at most {MAX_SCORED} characters, has {MAX_SCORED + 1}"
    assert refused(address, "/score", text="a" * (MAX_SCORED + 1)) == (400, too_long, "text")
    assert refused(address, "/score") == (400, "text: must be given", "text")


def test_health_needs_no_token(address: str) -> None:
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{address}/readyz").json() == {"status": "ready"}


def test_a_server_that_stops_is_healthy_not_ready_and_takes_nothing_new() -> None:
    app = create_app(OneModel(served()))
    with running(app) as address:
        app.state.service.engine.refuse()
        for answer in (
            httpx.get(f"{address}/readyz"),
            httpx.get(address),
            post(address),
            post(address, "/score", text="a"),
        ):
            assert (answer.status_code, answer.json()["error"]["message"]) == (503, "the server is stopping")
        assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_server_that_has_failed_says_so_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(OneModel(MODEL))
    with running(app) as address:
        prime = Prime(MODEL.writer, [Text(SamplingOptions(), 5)])
        vars(prime)["_readings"] = {}  # which cannot begin
        app.state.service.engine.submit([Job(MODEL.batch, prime)])
        until(lambda: not app.state.service.engine.works)
        for status, answer in (
            (500, httpx.get(f"{address}/healthz")),
            (503, httpx.get(f"{address}/readyz")),
            (500, post(address)),
            (500, post(address, "/score", text="a")),
        ):
            assert (answer.status_code, answer.json()["error"]["type"]) == (status, "server_error")
            assert answer.json()["error"]["message"] == "the server has failed"
    (record,) = caplog.records
    assert record.getMessage().startswith("error     the engine has stopped: ")
    assert record.exc_info is None  # it is one line


def test_a_fault_of_the_program_is_said_in_the_same_form_and_in_one_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf = OneModel(MODEL)
    monkeypatch.setattr(shelf, "at_hand", None)  # which cannot be called
    with running(create_app(shelf)) as address:
        assert refused(address) == (500, "the server has failed", None)
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("error     Exception in ASGI application: TypeError: ")
    assert "(app.py:" in err


def test_what_a_request_asks_for_is_read_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    def read(request: CompletionRequest, served: Served) -> Order:
        inside.append(asyncio._get_running_loop() is not None)
        return order(request, served)

    monkeypatch.setattr("charrnn.completions.app.order", read)
    with running(create_app(OneModel(served()))) as address:
        assert post(address).status_code == 200
    assert inside == [False]


def test_figures_count_what_was_done() -> None:
    with running(create_app(OneModel(served()))) as address:
        post(address, max_tokens=30, n=2)
        post(address, n=0)
        post(address, "/nowhere")
        until_idle(address)
        found = figures(address)
        assert found["charrnn_characters_total"] == 60
        assert found['charrnn_requests_total{path="/v1/completions",status="200"}'] == 1
        assert found['charrnn_requests_total{path="/v1/completions",status="400"}'] == 1
        assert found['charrnn_requests_total{path="other",status="404"}'] == 1
        assert found["charrnn_first_character_seconds_count"] == 1


def test_a_diverged_model_is_an_error_and_the_server_goes_on() -> None:
    broken = served()
    broken.writer.network.decoder.bias.fill_(math.nan)
    with running(create_app(OneModel(broken))) as address:
        for _ in range(2):
            assert refused(address) == (500, "the model's logits are not finite: its training diverged", None)
        assert "error" in post(address, stream=True).text
        assert httpx.get(f"{address}/healthz").status_code == 200


def test_a_score_of_a_diverged_model_is_an_error_in_the_same_form() -> None:
    broken = served()
    broken.writer.network.decoder.bias.fill_(math.nan)
    with running(create_app(OneModel(broken))) as address:
        assert refused(address, "/score", text="abc")[0] == 500
