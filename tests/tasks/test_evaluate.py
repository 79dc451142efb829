"""What a run logs and shows of its scores is what the table of metrics says."""

import pytest

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
        assert f"  largest {value:.1f}  (unigram " in line


@pytest.mark.parametrize(("split", "prefix"), [("val", "best"), ("test", "test")])
def test_the_scores_are_the_metrics_of_the_run(finished: Finished, split: str, prefix: str) -> None:
    logged = finished.workplace.client.get_run(finished.run_id).data.metrics
    scores = finished.summary.scores[split]
    baselines = {"unigram_loss": scores.baselines["unigram"], "5gram_loss": scores.baselines["5-gram"]}
    assert {name.removeprefix(f"{prefix}/"): value for name, value in logged.items() if name.startswith(prefix)} == {
        **scores.metrics,
        **baselines,
    }
