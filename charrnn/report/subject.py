"""What a report is about: a trained model, the text that it was not trained on, and what its run recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from charrnn.data.splits import Splits
from charrnn.training.checkpoint import Checkpoint

Curve = Sequence[tuple[int, float]]
"""(step, loss in nats per character), in order of steps."""


@dataclass(frozen=True)
class History:
    """What a run recorded.

    Attributes:
        run_id: of the run.
        name: of the run.
        source: where its text is from; '' where that is not known.
        train: the training loss.
        val: the validation loss.
        baselines: name -> loss of a simpler model on the validation split, or the test split (nats per character).
        results: name -> loss of the best checkpoint (nats per character).
        samples: (step, text) written while it trained, in order of steps.
    """

    run_id: str
    name: str
    source: str = ""
    train: Curve = ()
    val: Curve = ()
    baselines: Mapping[str, float] = field(default_factory=dict)
    results: Mapping[str, float] = field(default_factory=dict)
    samples: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True, eq=False)
class Subject:
    """What a report is about.

    Attributes:
        name: what a person calls the model.
        checkpoint: the model.
        splits: of the text that it was trained on, with the checkpoint's vocabulary; None where that is not at hand.
        history: of the run that trained it; None where that is not known.
        text: what is read instead of a split, a stream or documents; None for the validation split, or the test split.
        text_name: what the report calls that.
    """

    name: str
    checkpoint: Checkpoint
    splits: Splits | None = None
    history: History | None = None
    text: str | Sequence[str] | None = None
    text_name: str = ""
