"""Requests that schemathesis makes of the OpenAPI document, right and wrong ones: answers are as the document says."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from charrnn.completions.app import create_app
from charrnn.completions.shelf import OneModel
from tests.charrnn.completions.models import running, served

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FEW = settings(max_examples=15, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
OPERATIONS = {
    "POST /v1/completions",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /score",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running(create_app(OneModel(served()))) as address:
        yield address


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_the_document_says(mode: GenerationMode, address: str) -> None:
    found = schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations()
    operations = [result.ok() for result in found if isinstance(result, Ok)]
    assert {operation.label for operation in operations} == OPERATIONS
    # Without a body, nothing of a request can be wrong.
    for operation in (one for one in operations if mode is GenerationMode.POSITIVE or list(one.body)):

        @FEW
        @given(operation.as_strategy(generation_mode=mode))
        def answers(case: Any) -> None:
            if isinstance(case.body, dict) and isinstance(case.body.get("max_tokens"), int):
                case.body["max_tokens"] = min(case.body["max_tokens"], 50)  # no long texts
            case.call_and_validate(checks=CHECKS, timeout=30)

        answers()
