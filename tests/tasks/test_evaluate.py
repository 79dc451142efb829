"""What a run logs and shows of its scores is what the table of metrics says."""

import pytest

from charrnn.evaluation import dynamic
from charrnn.evaluation.metrics import METRICS, Derived, MeanOf, Metric
from flows.pipeline import pipeline
from tests.workplace import SMOKE, Finished, Workplace, captured


def test_a_metric_of_the_table_is_logged_summarized_and_compared(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    new = (
        Metric(
            key="largest_logit",
            computed=MeanOf(lambda window: window.logits.max(-1).values),
            title="largest logit",
            title_format="{:.2f}",
            summary="largest logit {:.3f}",
            log="largest {:.1f}",
        ),
        Metric(key="larger", computed=Derived(lambda metrics: metrics["largest_logit"] + 1)),
    )
    for metric in new:
        monkeypatch.setitem(METRICS, metric.key, metric)
    overrides = [*workplace.overrides, "training.max_steps=20"]
    with caplog.at_level("INFO", logger="charrnn"):
        summary = pipeline(overlays=[str(SMOKE)], overrides=overrides)
    logged = workplace.client.get_run(summary.run.run_id).data.metrics
    compared = captured("compare", summary.run.run_id, *workplace.places)
    for split, prefix in (("val", "best"), ("test", "test")):
        value = logged[f"{prefix}/largest_logit"]
        assert logged[f"{prefix}/larger"] == value + 1
        assert f"largest logit {value:.3f} (" in summary.markdown()
        assert f"largest logit {value:.3f} (" in summary.text()
        assert f"| {split} largest logit | {value:.2f} |" in compared.out
        (line,) = (message for message in caplog.messages if message.startswith(f"evaluate  {split:<4} "))
        assert f"  largest {value:.1f}  (loss of unigram " in line


@pytest.mark.parametrize(("split", "prefix"), [("val", "best"), ("test", "test")])
def test_the_scores_are_the_metrics_of_the_run(finished: Finished, split: str, prefix: str) -> None:
    logged = finished.workplace.client.get_run(finished.run_id).data.metrics
    scores = finished.summary.scores[split]
    baselines = {"unigram_loss": scores.baselines["unigram"], "5gram_loss": scores.baselines["5-gram"]}
    found = {name.removeprefix(f"{prefix}/"): value for name, value in logged.items() if name.startswith(prefix)}
    # Those of models that learn from the split stand beside, not among the scores.
    beside = {name: found.pop(name) for name in ("dynamic_loss", "adaptive_loss") if name in found}
    assert found == {**scores.metrics, **baselines}
    assert len(beside) == (2 if prefix == split else 0)


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_losses_of_models_that_learn_from_a_split_have_names_of_their_own(finished: Finished, split: str) -> None:
    logged = finished.workplace.client.get_run(finished.run_id).data.metrics
    (static,) = (scores.loss for name, scores in finished.summary.scores.items() if name == split)
    # An untrained model learns something, and the n-gram model has read the training text.
    assert 0 < logged[f"{split}/adaptive_loss"] < logged[f"{split}/dynamic_loss"]
    assert logged[f"{split}/dynamic_loss"] != static


def test_a_loss_that_is_not_finite_leaves_the_static_one_and_one_warning(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dynamic, "RATE", 1e38)
    overrides = [*workplace.overrides, "training.max_steps=20", "splits.test_fraction=0"]
    with caplog.at_level("INFO", logger="charrnn"):
        summary = pipeline(overlays=[str(SMOKE)], overrides=overrides)
    logged = workplace.client.get_run(summary.run.run_id).data.metrics
    assert logged["best/loss"] == summary.scores["val"].loss
    assert not {"val/dynamic_loss", "val/adaptive_loss"} & set(logged)
    (line,) = (message for message in caplog.messages if "dynamic evaluation" in message)
    assert line == (
        "adapt     val  dynamic evaluation: the loss is not finite; there is no dynamic_loss and no adaptive_loss"
    )


def test_no_seconds_for_them_leave_them_out(workplace: Workplace, caplog: pytest.LogCaptureFixture) -> None:
    overrides = [*workplace.overrides, "training.max_steps=20", "evaluation.adaptive_seconds=0"]
    with caplog.at_level("INFO", logger="charrnn"):
        summary = pipeline(overlays=[str(SMOKE)], overrides=overrides)
    logged = workplace.client.get_run(summary.run.run_id).data.metrics
    assert not [name for name in logged if name.endswith(("dynamic_loss", "adaptive_loss"))]
    assert "dynamic_loss" not in caplog.text
