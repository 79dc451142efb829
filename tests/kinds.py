"""Texts of many kinds, made up: what tells lists, prose, verse, tables and languages apart, and nothing else."""

import csv
import io
import json
import random

ENGLISH = ("th", "wh", "sh", "st", "br", "m", "h", "l"), ("e", "o", "ea", "i", "ou"), ("ng", "nd", "r", "ck", "t", "")
FINNISH = ("k", "v", "t", "p", "j", "s", "hy"), ("aa", "ii", "uo", "ä", "y", "ö"), ("n", "s", "l", "kki", "lla", "")


def words(count: int, sounds: tuple[tuple[str, ...], ...] = ENGLISH, seed: int = 0) -> list[str]:
    """Return so many words of a made-up language; few words occur often, as in all languages."""
    draw = random.Random(seed)
    syllables = ["".join(draw.choice(part) for part in sounds) for _ in range(60)]
    lexicon = ["".join(draw.choices(syllables, k=draw.randint(1, 2))) for _ in range(400)]
    return draw.choices(lexicon, weights=[1 / (rank + 1) for rank in range(len(lexicon))], k=count)


def sentences(count: int, sounds: tuple[tuple[str, ...], ...] = ENGLISH, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    taken = iter(words(count * 12, sounds, seed))
    made = [" ".join(next(taken) for _ in range(draw.randint(5, 12))) for _ in range(count)]
    return [sentence.capitalize() + draw.choice(".....?!") for sentence in made]


def names(count: int = 2000, seed: int = 0) -> str:
    """Return a list of names, sorted."""
    draw = random.Random(seed)
    made = {"".join(draw.choices("aeioulmnrst", k=draw.randint(3, 9))) for _ in range(count)}
    return "".join(f"{name}\n" for name in sorted(made))


def prose(count: int = 600, sounds: tuple[tuple[str, ...], ...] = ENGLISH, seed: int = 0) -> str:
    """Return so many sentences in paragraphs of wrapped lines."""
    draw = random.Random(seed)
    taken = sentences(count, sounds, seed)
    text = ""
    while taken:
        size = draw.randint(3, 8)
        line = ""
        for word in " ".join(taken[:size]).split():
            if len(line) + len(word) > 70:
                text += line.rstrip() + "\n"
                line = ""
            line += word + " "
        text += line.rstrip() + "\n\n"
        taken = taken[size:]
    return text


def verse(count: int = 800, seed: int = 0) -> str:
    """Return so many lines, capital first, in stanzas of four."""
    draw = random.Random(seed)
    taken = iter(words(count * 7, seed=seed))
    lines = [
        " ".join(next(taken) for _ in range(7)).capitalize() + draw.choice([",", ";", "", "."]) for _ in range(count)
    ]
    return "\n\n".join("\n".join(lines[start : start + 4]) for start in range(0, count, 4)) + "\n"


def fortunes(count: int = 300, seed: int = 0) -> str:
    """Return sayings of some lines, a line of % after each."""
    draw = random.Random(seed)
    taken = iter(sentences(count * 4, seed=seed))
    return "".join("\n".join(next(taken) for _ in range(draw.randint(1, 4))) + "\n%\n" for _ in range(count))


def rows(count: int = 500, seed: int = 0) -> list[dict[str, str]]:
    """Return records of a number, one of three kinds, and a name."""
    draw = random.Random(seed)
    made = names(count * 2, seed).split()
    return [
        {"id": str(number), "kind": draw.choice(["river", "hill", "town"]), "name": draw.choice(made)}
        for number in range(count)
    ]


def table(records: list[dict[str, str]], delimiter: str = ",") -> str:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, records[0], delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return file.getvalue()


def json_lines(records: list[dict[str, str]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)
