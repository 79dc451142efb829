"""Optimizers, an entry each in one table; `TrainingParams.optimizer` names them."""

from collections.abc import Callable

import torch
from torch import nn

from charrnn.config.schema import TrainingParams

Weights = list[nn.Parameter]


def _adam(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    """Kingma & Ba 2015, https://arxiv.org/abs/1412.6980."""
    betas = (params.beta1, params.beta2)
    return torch.optim.Adam(weights, lr=params.learning_rate, betas=betas, weight_decay=params.weight_decay, fused=True)


def _adamw(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    """Decoupled weight decay: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101."""
    betas = (params.beta1, params.beta2)
    return torch.optim.AdamW(
        weights, lr=params.learning_rate, betas=betas, weight_decay=params.weight_decay, fused=True
    )


def _sgd(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=params.learning_rate, weight_decay=params.weight_decay, momentum=0.9, fused=True)


def _rmsprop(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    # Smoothing 0.95 as in char-rnn; PyTorch's 0.99 forgets the first steps too slowly.
    return torch.optim.RMSprop(weights, lr=params.learning_rate, weight_decay=params.weight_decay, alpha=0.95)


OPTIMIZERS: dict[str, Callable[[Weights, TrainingParams], torch.optim.Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "sgd": _sgd,
    "rmsprop": _rmsprop,
}


def make_optimizer(model: nn.Module, params: TrainingParams) -> torch.optim.Optimizer:
    """Return the optimizer that `params.optimizer` names, over every weight of `model`.

    The training loop sets its learning rate before each step.
    """
    return OPTIMIZERS[params.optimizer](list(model.parameters()), params)
