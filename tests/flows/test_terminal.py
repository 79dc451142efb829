"""What a run of the pipeline shows in a terminal."""

import re

from tests.screen import in_terminal, unconfigured_logger
from tests.workplace import Finished, call


def test_a_run_in_a_terminal_shows_loss_speed_and_time_left(finished: Finished) -> None:
    short = ["--set", "training.max_steps=30", "--set", "tracking.experiment=terminal"]
    with unconfigured_logger(), in_terminal() as screen:
        answer = call(*finished.workplace.options, *short, "--set", "tracking.registered_model=null")
    assert answer.code == 0, answer.err
    assert re.search(r"train ━.*step 30  loss \d\.\d{3}  val \d\.\d{3}  [\d,]+ characters/s  0 s left", screen.text)
    assert "evaluate  test loss" in screen.left
    assert "characters/s" not in screen.left
