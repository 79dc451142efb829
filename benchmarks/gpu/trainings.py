"""How good a model becomes in a time: trainings of the library with its evaluations, on the published split."""

from typing import Any

from benchmarks.gpu.setting import Setting, forget, peak_memory
from charrnn.config.loading import load_params
from charrnn.config.schema import Params
from charrnn.data.streams import Streams
from charrnn.training.device import computing
from charrnn.training.events import CheckpointDue, Evaluation, Steps
from charrnn.training.rollback import MemoryStates, train_with_rollback
from charrnn.training.state import new_state

# Sha256 of tinyshakespeare, on whose last 10 % losses are published.
TINYSHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TARGET = 1.4655
QUICK = ("model.hidden_size=32", "model.num_layers=1", "training.batch_size=16", "training.seq_length=32")
COMMON = (
    "training.optimizer=adamw",
    "training.beta1=0.8",
    "training.beta2=0.99",
    "training.weight_decay=0.05",
    "training.log_every=50",
    "training.threads=1",
    "evaluation.max_characters=null",
    "evaluation.batch_size=16",
    "evaluation.sample_length=0",
    "checkpoint.every_seconds=30",
)
# By the time that they are planned for (s): the schedule reaches the lowest loss at its end, and the last evaluation
# comes after it. Chosen by reasoning, not by measuring: on a GPU, a step costs its length, hardly its width.
PLANS: dict[int, tuple[str, ...]] = {
    14: (
        "model.hidden_size=512",
        "model.embedding_size=128",
        "model.dropout=0.2",
        "training.seq_length=64",
        "training.batch_size=64",
        "training.learning_rate=0.005",
        "training.ema_decay=0.99",
        "evaluation.every_seconds=1.5",
        "evaluation.max_share=0.1",
    ),
    60: (
        "model.hidden_size=512",
        "model.num_layers=2",
        "model.embedding_size=128",
        "model.input_dropout=0.1",
        "model.dropout=0.4",
        "training.seq_length=64",
        "training.batch_size=64",
        "training.learning_rate=0.004",
        "training.ema_decay=0.998",
        "training.restart_probability=0.01",
        "evaluation.every_seconds=4",
        "evaluation.max_share=0.05",
    ),
    300: (
        "model.hidden_size=768",
        "model.num_layers=2",
        "model.embedding_size=128",
        "model.input_dropout=0.1",
        "model.dropout=0.5",
        "training.seq_length=96",
        "training.batch_size=64",
        "training.learning_rate=0.003",
        "training.ema_decay=0.998",
        "training.restart_probability=0.01",
        "evaluation.every_seconds=12",
        "evaluation.max_share=0.05",
    ),
}


def plan(setting: Setting, planned: int, seconds: float) -> Params:
    """Return the parameters of the plan for `planned` seconds, to be trained for `seconds`."""
    changes = [*COMMON, *PLANS[planned], f"training.max_minutes={seconds / 60}"]
    changes += [f"training.device={setting.device.type}", *(QUICK if setting.quick else ())]
    return load_params([], changes, base=Params())


def measure(setting: Setting, planned: int, seconds: float) -> dict[str, Any]:
    """Train the plan for `planned` seconds for `seconds`; return its curve, and when it passed the published loss."""
    params = plan(setting, planned, seconds)
    training, evaluation = params.training, params.evaluation
    forget(setting.device)
    curve: list[tuple[float, float]] = []
    states, steps, rollbacks = MemoryStates(), 0, 0
    with computing(training):
        streams = Streams(setting.ids, training.batch_size, training.seq_length, setting.device)
        val = Streams(setting.held_out, evaluation.batch_size, training.seq_length, setting.device)
        state = new_state(params.model, training, setting.vocabulary.size, streams.batch_size, setting.device)
        states.save(state)
        for event in train_with_rollback(state, streams, val, params, states):
            match event:
                case Steps():
                    steps = event.last_step
                case Evaluation(loss=loss) if loss is not None:
                    curve.append((round(event.elapsed, 2), round(loss, 4)))
                case CheckpointDue():
                    states.save(state)
        rollbacks = state.progress.rollbacks
    at = state.progress
    return {
        "seconds": round(at.elapsed, 1),
        "planned for (s)": planned,
        "best loss": min(loss for _, loss in curve),
        f"time to {TARGET} (s)": _time_to_target(setting, curve),
        "curve (s, nats per character)": curve,
        "steps": steps,
        "characters/s": round(at.characters / at.elapsed),
        "evaluations (s)": round(at.evaluation_seconds, 1),
        "rollbacks": rollbacks,
        "peak memory (bytes)": peak_memory(setting.device),
        "changes": [*COMMON, *PLANS[planned], *(QUICK if setting.quick else ())],
    }


def _time_to_target(setting: Setting, curve: list[tuple[float, float]]) -> float | str:
    """Return the time of the first evaluation that is not above the target (s), evaluations included."""
    if setting.sha256 != TINYSHAKESPEARE:
        return "is for tinyshakespeare"
    return next((time for time, loss in curve if loss <= TARGET), "not reached")
