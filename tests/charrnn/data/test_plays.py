import pytest

from charrnn.data.plays import play_text


def play(*paragraphs: str) -> str:
    return "\n\n".join(("# The Title", "## ACT I", "### SCENE I. A street.", *paragraphs)) + "\n"


def test_a_speech_stands_under_its_speaker_in_capitals_and_ends_with_a_blank_line() -> None:
    text = play_text(play("**First Citizen**  \nGood day,  \nsirs.", "**DUKE**  \nAnd to you."))
    assert text == "FIRST CITIZEN:\nGood day,\nsirs.\n\nDUKE:\nAnd to you.\n"


def test_windows_line_ends_and_blank_runs_change_nothing() -> None:
    unix = play("**A**  \nOne,  \ntwo.", "_Exit\nA_", "\n\n**B**  \nThree.\n\n\n")
    assert play_text(unix.replace("\n", "\r\n")) == play_text(unix) == "A:\nOne,\ntwo.\n\nB:\nThree.\n"


def test_a_play_without_speeches_is_empty() -> None:
    assert play_text(play("_Enter all_", "_Exeunt_")) == ""
    assert play_text("") == ""


def test_a_speaker_who_says_nothing_is_left_out() -> None:
    assert play_text(play("**A**  \n_Dies_", "**B**  \nAlas!")) == "B:\nAlas!\n"


@pytest.mark.parametrize(
    "direction",
    [
        "_Exit_",
        "*Sound a horn.*",
        "*[Reads.]*",
        "_Enter A and B, with swords and\nbucklers_",
        r"_\[Aside to B]_",
        r"__\[Awaking]_",
        "[Within]_",
        r"_Burthen _\[dispersedly, within_",
        "1\\. A flourish.  \n2\\. Two judges,  \nin order.",
        "<br>",
    ],
)
def test_directions_go_and_the_speech_they_interrupt_stays_one(direction: str) -> None:
    text = play_text(play("**A**  \nFarewell.", direction, "Yet stay!", "**B**  \nI stay."))
    assert text == "A:\nFarewell.\nYet stay!\n\nB:\nI stay.\n"


@pytest.mark.parametrize("direction", [r"_\[Aside]_", "[To B]_", r"__\[Sings]_", "_Rising_"])
def test_directions_on_a_line_within_a_speech_go(direction: str) -> None:
    assert play_text(play(f"**A**  \n{direction}  \nWell met.  \n{direction}")) == "A:\nWell met.\n"


def test_a_direction_before_a_name_in_the_same_paragraph_goes() -> None:
    assert play_text(play("**A**  \nCome.", "_\\[To B]_  \n**B**  \nI come.")) == "A:\nCome.\n\nB:\nI come.\n"


@pytest.mark.parametrize(
    ("line", "spoken"),
    [
        ("I am _not_ he, *sir*.", "I am not he, sir."),
        ("Speak **loud**, man.", "Speak loud, man."),
        (r"'Ladies,'\--or 'Fair ladies'", "'Ladies,'--or 'Fair ladies'"),
        ("With hey, ho, &amp; c.", "With hey, ho, & c."),
        (r"And ever _\[ ]_", "And ever"),
        (r"And _\[Censorinus,]_ named so", "And Censorinus, named so"),
        (r"A \*star\* and a\_line", "A *star* and a_line"),
        ("<i>Soft</i> you<br/>now", "Soft you\nnow"),
        ("  indented, trailing   ", "indented, trailing"),
        ("Jeweller: If he will", "Jeweller: If he will"),
        ("Item, Sack, 5s. 8d.", "Item, Sack, 5s. 8d."),
    ],
)
def test_markup_within_speech_goes_and_its_words_stay(line: str, spoken: str) -> None:
    assert play_text(play(f"**A**  \n{line}")) == f"A:\n{spoken}\n"


def test_headings_go_and_end_the_speech_before_them() -> None:
    text = play_text(play("**A**  \nEnd.", "### SCENE II. A room; LEAR on a bed,", "music playing.", "**B**  \nLo!"))
    assert text == "A:\nEnd.\n\nB:\nLo!\n"


def test_a_prologue_without_a_name_is_spoken_by_the_prologue() -> None:
    assert play_text("# Title\n\n### Prologue\n\nI come no more.") == "PROLOGUE:\nI come no more.\n"


def test_whoever_enters_alone_speaks_what_has_no_name() -> None:
    assert play_text(play("_Enter TIMON, from the cave_", "O sun!")) == "TIMON:\nO sun!\n"


def test_words_that_nobody_can_be_named_for_go() -> None:
    assert play_text(play("_Enter MARIANA and a Boy_", "Take, O take", "**MARIANA**  \nStop.")) == "MARIANA:\nStop.\n"
