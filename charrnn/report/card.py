"""The model card: what a report says, in Markdown, for the description of a registered version.

After Mitchell et al. 2019, Model Cards for Model Reporting.
"""

import re

from charrnn.report.contents import Contents
from charrnn.report.copying import LENGTHS
from charrnn.report.facts import facts
from charrnn.wording import counted

MOST = 4000
"""Characters of a card: with the sentence above it, a registry takes 5,000."""
_MOST_FACT = 300
_CONTEXTS = (1, 10, 100, 1000)  # of those that were measured


def model_card(contents: Contents) -> str:
    """Return the card without a heading."""
    parts = [
        "\n".join(f"- **{_shown(name)}** {_shown(value[:_MOST_FACT])}" for name, value in facts(contents)),
        _memory(contents),
        _units(contents),
        _copying(contents),
        _loading(contents),
    ]
    return "\n\n".join(part for part in parts if part)[:MOST]


def _memory(contents: Contents) -> str:
    rows = contents.context.rows
    if not rows:
        return ""
    losses = ", ".join(f"{row.bits:.3f} with {row.length:,}" for row in rows if row.length in _CONTEXTS)
    return f"**Context** bits per character by the characters of context it is given: {losses}."


def _units(contents: Contents) -> str:
    found = [one for one in contents.found if one.is_beyond_chance]
    if not found:
        return ""
    units = ", ".join(f"{one.feature} {abs(one.correlation):.2f} (by chance {one.control:.2f})" for one in found)
    return f"**Units** that follow the text, |correlation| on text they were not chosen on: {units}."


def _copying(contents: Contents) -> str:
    copying = contents.copying
    if copying is None:
        return ""
    rows = [
        f"| {length} | {_percent(sample)} | {_percent(held_out)} |"
        for length, sample, held_out in zip(LENGTHS, copying.of_samples, copying.of_held_out, strict=True)
    ]
    size = contents.splits.sizes["train"] if contents.splits else copying.searched
    part = "" if copying.searched == size else f"the last {copying.searched:,} characters of "
    longest = max((one.passage.length for one in copying.samples if one.passage), default=0)
    return "\n".join(
        [
            f"**Copying** share of n-grams that stand in {part}the training text:",
            "",
            "| characters | samples | held-out text |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"The longest passage of a sample that stands there has {counted(longest, 'character')}.",
        ]
    )


def _loading(contents: Contents) -> str:
    # By its run: the name of a registered model is that of its newest version.
    name = contents.subject.checkpoint.run_id or "best.ckpt"
    return (
        '**Use** `charrnn.load("best.ckpt").sample("...")` with the checkpoint among this version\'s files, or '
        f"`charrnn sample {name}`."
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _shown(text: str) -> str:
    """Return plain text as Markdown that shows it, on one line."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return re.sub(r"([\\`*_{}\[\]<>#|!&~])", r"\\\1", printable)
