"""Optimizer steps whose figures are still on the device: they are read together, so that no step waits for it."""

import time

import torch
from torch import Tensor

from charrnn.config.schema import TrainingParams
from charrnn.errors import DivergedError
from charrnn.training.divergence import find_divergence
from charrnn.training.events import Steps
from charrnn.training.limits import run_progress
from charrnn.training.state import Progress


class PendingSteps:
    """Steps in a row that are not reported yet. Made just before the first of them."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._grad_norms: list[Tensor] = []
        self._rates: list[float] = []
        self._characters: list[int] = []
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """Time since the first step began (s)."""
        return time.monotonic() - self._began

    def add(self, loss: Tensor, grad_norm: Tensor, rate: float, characters: int) -> None:
        """Take the figures of the next step.

        Args:
            loss: () float32, nats per character.
            grad_norm: () float32, before clipping.
            rate: its learning rate.
            characters: predictions it was made from.
        """
        self._losses.append(loss)
        self._grad_norms.append(grad_norm)
        self._rates.append(rate)
        self._characters.append(characters)

    def report(self, at: Progress, training: TrainingParams, num_windows: int) -> tuple[Steps, DivergedError | None]:
        """Read the figures, and note the losses and the characters in `at`.

        Returns:
            The steps, up to one that diverged; and the error that says so, if one did.
        """
        losses, grad_norms = torch.stack([torch.stack(self._losses), torch.stack(self._grad_norms)]).tolist()
        first_step = at.step - len(losses) + 1
        good, diverged = find_divergence(losses, grad_norms, self._rates, first_step, at, training)
        at.characters += sum(self._characters[:good])
        event = Steps(
            first_step=first_step,
            losses=tuple(losses[:good]),
            grad_norms=tuple(grad_norms[:good]),
            learning_rates=tuple(self._rates[:good]),
            chars_per_second=sum(self._characters) / self.age,
            characters=at.characters,
            epoch=at.epoch + at.window / num_windows,
            progress=run_progress(training, at, num_windows),
            elapsed=at.elapsed,
            diverged=diverged is not None,
        )
        return event, diverged
