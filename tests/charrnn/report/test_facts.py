import numpy as np

from charrnn.report.contents import measure
from charrnn.report.facts import facts
from charrnn.report.subject import History, Subject
from tests.charrnn.report.subjects import subject_of
from tests.texts import made_up_play


def test_model_and_baseline_are_compared_on_the_same_characters() -> None:
    whole = subject_of(made_up_play(3000))
    text = made_up_play(900, seed=5)
    given = text[:450] + "\u2603" * 60 + text[450:]
    contents = measure(Subject("x", whole.checkpoint, whole.splits, None, given, "mine.txt"), 60)
    assert contents.baseline
    known = np.ones(len(given), dtype=bool)
    known[[0, *range(450, 510)]] = False
    expected = float(contents.baseline.bits[known].mean())
    told = dict(facts(contents))["Read for this report: mine.txt"]
    assert f"(5-gram {expected:.3f}), on 960 characters" in told
    assert told.startswith(f"{float(contents.reading.bits[known].mean()):.3f} bits per character")


def test_what_the_run_has_recorded_is_told_in_nats_and_bits() -> None:
    history = History("0123", "a run", "novel.txt", baselines={"5-gram": 2.0}, results={"validation": 1.5})
    told = dict(facts(measure(subject_of(made_up_play(2000), history=history), 60)))
    assert told["Run"] == "a run (0123)"
    assert told["Text"] == "novel.txt"
    assert told["Results of the run"] == "validation 1.5000 nats, 2.164 bits"
    assert told["Baselines of the run"] == "5-gram 2.0000 nats, 2.885 bits"
    assert told["Splits"] == "by position: training 1,135, validation 800, test 65 characters"


def test_without_a_run_nothing_is_told_of_one() -> None:
    told = dict(facts(measure(subject_of(made_up_play(2000)), 60)))
    assert not {"Run", "Results of the run", "Baselines of the run"} & set(told)
