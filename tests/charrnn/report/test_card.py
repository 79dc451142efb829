import re
from dataclasses import replace

from charrnn.report.card import MOST, model_card
from charrnn.report.contents import measure
from charrnn.report.subject import History
from tests.charrnn.report.subjects import HOSTILE, subject_of
from tests.texts import made_up_play


def test_a_card_says_what_text_which_figures_and_how_to_load() -> None:
    history = History("0123", "a run", "novel.txt", baselines={"5-gram": 2.0}, results={"validation": 1.5})
    contents = measure(subject_of(made_up_play(4000), history=history), 60)
    card = model_card(contents)
    for part in (
        "**Text** novel.txt",
        "**Splits** by position: training 2,280, validation 1,600, test 120 characters",
        "validation 1.5000 nats, 2.164 bits",
        "5-gram 2.0000 nats, 2.885 bits",
        "| 5 | ",
        "**Context** bits per character",
        "stand in the training text:",
        f"{contents.context.rows[0].bits:.3f} with 1, {contents.context.rows[3].bits:.3f} with 10, ",
        "`charrnn sample best.ckpt`",
    ):
        assert part in card
    assert len(card) <= MOST


def test_a_card_says_which_part_of_the_training_text_was_searched_and_names_its_own_run() -> None:
    contents = measure(subject_of(made_up_play(4000)), 60)
    assert contents.copying
    checkpoint = replace(contents.subject.checkpoint, run_id="0123abcd")
    part = replace(
        contents,
        subject=replace(contents.subject, checkpoint=checkpoint),
        copying=replace(contents.copying, searched=1000),
    )
    card = model_card(part)
    assert "stand in the last 1,000 characters of the training text:" in card
    assert "`charrnn sample 0123abcd`" in card


def test_nothing_that_a_person_typed_is_read_as_markdown() -> None:
    history = History("0123", "[a](http://b) `c` <img>\n# d", HOSTILE * 50)
    card = model_card(measure(subject_of(made_up_play(2000), history=history), 60))
    assert not re.search(r"(?<!\\)[<\[]", card)
    assert not any(line.startswith("# ") for line in card.splitlines())
    assert card.count("\u202e") == 0
    assert len(card) <= MOST
