"""A text in three streams, and the reference that reads it character by character."""

import math
from itertools import pairwise

import numpy as np
import torch

from charrnn.data.vocabulary import Vocabulary
from charrnn.model.char_rnn import CharRNN

CPU = torch.device("cpu")
VOCABULARY = Vocabulary("\n abcé", (1,) * 6, tuple(range(6)))
IDS = np.random.default_rng(3).choice(6, 223, p=[0.05, 0.25, 0.3, 0.2, 0.15, 0.05]).astype(np.uint8)


def naive(model: CharRNN) -> list[list[tuple[int, float, bool]]]:
    """Read each of the three streams by itself, character by character: target, loss and whether it was likeliest."""
    was_training = model.training
    model.eval()
    found = []
    with torch.no_grad():
        for stream in range(3):
            text = IDS[stream * 74 : stream * 74 + 75].tolist()
            state, steps = model.initial_state(1), []
            for character, target in pairwise(text):
                logits, state = model(torch.tensor([[character]]), state)
                probabilities = torch.softmax(logits[0, 0].double(), 0).tolist()
                steps.append((target, -math.log(probabilities[target]), max(probabilities) == probabilities[target]))
            found.append(steps)
    model.train(was_training)
    return found
