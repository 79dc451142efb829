"""Optimizers, an entry each in one table; `TrainingParams.optimizer` names them."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from charrnn.config.schema import TrainingParams

Weights = list[nn.Parameter]


def _uncompiled(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return `kind` without the wrappers around its methods that keep torch.compile away from them.

    The first call of one imports torch._dynamo, 75 MB and a second of processor time, for a compiler that is not used
    here. The arithmetic is that of `kind`. Gradients are off in `step`, as in that of `kind`.
    """
    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in wrapped}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


_Adam, _AdamW, _SGD, _RMSprop = map(
    _uncompiled, (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop)
)


def _adam(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    """Kingma & Ba 2015, https://arxiv.org/abs/1412.6980."""
    betas = (params.beta1, params.beta2)
    return _Adam(weights, lr=params.learning_rate, betas=betas, weight_decay=params.weight_decay, fused=True)


def _adamw(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    """Decoupled weight decay: Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101."""
    betas = (params.beta1, params.beta2)
    return _AdamW(weights, lr=params.learning_rate, betas=betas, weight_decay=params.weight_decay, fused=True)


def _sgd(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    return _SGD(weights, lr=params.learning_rate, weight_decay=params.weight_decay, momentum=0.9, fused=True)


def _rmsprop(weights: Weights, params: TrainingParams) -> torch.optim.Optimizer:
    # Smoothing 0.95 as in char-rnn; PyTorch's 0.99 forgets the first steps too slowly.
    return _RMSprop(weights, lr=params.learning_rate, weight_decay=params.weight_decay, alpha=0.95)


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
