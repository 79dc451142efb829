import re

from charrnn.report.card import MOST, model_card
from charrnn.report.contents import measure
from charrnn.report.subject import History
from tests.charrnn.report.subjects import HOSTILE, subject_of
from tests.texts import made_up_play


def test_a_card_says_what_text_which_figures_and_how_to_load() -> None:
    history = History("0123", "a run", "novel.txt", baselines={"5-gram": 2.0}, results={"validation": 1.5})
    contents = measure(subject_of(made_up_play(4000), history=history), 1)
    card = model_card(contents, "novel")
    for part in (
        "**Text** novel.txt",
        "**Splits** by position: training 2,280, validation 1,600, test 120 characters",
        "validation 1.5000 nats, 2.164 bits",
        "5-gram 2.0000 nats, 2.885 bits",
        "| 5 | ",
        "**Context** bits per character",
        "charrnn sample novel",
    ):
        assert part in card
    assert len(card) <= MOST


def test_nothing_that_a_person_typed_is_read_as_markdown() -> None:
    history = History("0123", "[a](http://b) `c` <img>\n# d", HOSTILE * 50)
    card = model_card(measure(subject_of(made_up_play(2000), history=history), 1))
    assert not re.search(r"(?<!\\)[<\[]", card)
    assert not any(line.startswith("# ") for line in card.splitlines())
    assert card.count("\u202e") == 0
    assert len(card) <= MOST
