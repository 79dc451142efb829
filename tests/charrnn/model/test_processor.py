import pytest
import torch

from charrnn.model.processor import computes_bfloat16, multiplies_bfloat16, multiplies_int8


@pytest.mark.parametrize(
    ("capabilities", "bfloat16", "int8"),
    [
        ({"avx512_bf16": True, "avx512_vnni": True}, True, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True, False),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_vnni": False}, False, False),
        ({"neon": True}, False, False),
    ],
)
def test_the_capabilities_of_the_processor_say_what_it_multiplies_itself(
    capabilities: dict[str, bool], bfloat16: bool, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert (multiplies_bfloat16(), multiplies_int8()) == (bfloat16, int8)


def test_a_processor_that_multiplies_bfloat16_computes_in_it() -> None:
    assert computes_bfloat16() or not multiplies_bfloat16()


def test_the_question_draws_no_random_number() -> None:
    computes_bfloat16.cache_clear()
    before = torch.get_rng_state()
    computes_bfloat16()
    assert (torch.get_rng_state() == before).all()


def test_an_lstm_that_refuses_bfloat16_does_not_compute_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("could not create a primitive descriptor")

    computes_bfloat16.cache_clear()
    monkeypatch.setattr(torch.nn.LSTM, "forward", refuse)
    assert not computes_bfloat16()
    computes_bfloat16.cache_clear()
