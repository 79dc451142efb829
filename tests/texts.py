"""Texts to train on, made up: the same for the same random seed, and small enough for a model to learn in seconds."""

import random

# ruff: noqa: RUF001
RUSSIAN = (
    "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. Всё смешалось в доме "
    "Облонских. Жена узнала, что муж был в связи с бывшею в их доме француженкою-гувернанткой.\n"
)
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で泣いていた。\n"
)


def made_up_play(characters: int, seed: int = 0) -> str:
    """Return a play of so many characters, with speakers and verses, of a few words."""
    draw = random.Random(seed)
    words = ["the", "king", "shall", "see", "what", "my", "good", "lord", "hath", "done", "this", "night", "and"]
    words += ["all", "her", "men", "know", "where", "love", "is", "not"]
    speakers = ["FIRST LORD", "QUEEN", "A MESSENGER"]
    text = ""
    while len(text) < characters:
        lines = [" ".join(draw.choices(words, k=draw.randint(3, 8))).capitalize() + "," for _ in range(3)]
        text += f"{draw.choice(speakers)}:\n" + "\n".join(lines) + "\n\n"
    return text[:characters]
