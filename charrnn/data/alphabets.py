"""How well the characters of a text fit together: words of one script, letters of one language. Knows no encodings.

A text that was decoded with the wrong table has letters of several languages in it (ĺ beside ö), letters of another
script inside a Latin word, or signs inside words.
"""

import re
import unicodedata
from collections import Counter

# The letters beyond ASCII, in lower case, of languages that are written in Latin letters, and of what they borrow.
_ALPHABETS = [
    frozenset(letters)
    for letters in (
        "äöüßéàè",  # German
        "åäöéüà",  # Swedish, Finnish
        "æøåéèêóòôàü",  # Danish, Norwegian
        "áðéíóúýþæö",  # Icelandic
        "éèëïöüçêîôûáóíúñ",  # Dutch
        "àâäæçéèêëîïñôöœùûüÿ",  # French, and what English borrows
        "áéíñóúüçïàèò·ºª",  # Spanish, Catalan
        "áàâãçéêíóôõúºª",  # Portuguese
        "àèéìíîòóùúºª",  # Italian
        "áâàéêèíîìóôòúûùẃẁŵŷýäëïöü",  # Irish, Welsh
        "ąćęłńóśźżé",  # Polish
        "áčďéěíňóřšťúůýž",  # Czech
        "áäčďéíĺľňóôŕšťúýž",  # Slovak
        "áéíóöőúüűä",  # Hungarian
        "čćđšžé",  # Bosnian, Croatian, Serbian, Slovenian
        "ăâîșțşţé",  # Romanian
        "çëéê",  # Albanian
        "çğıöşüâîû\u0307",  # Turkish; İ in lower case has a dot of its own
        "ąčęėįšųūž",  # Lithuanian
        "āčēģīķļņšūžōŗ",  # Latvian
        "äöõüšž",  # Estonian
    )
]
# Signs that stand beside words, and those that also stand within: an apostrophe, a dash, an ellipsis, a soft hyphen.
_WITHIN = "’–—…\xad"  # noqa: RUF001
_BESIDE = _WITHIN + "«»‹›“”„‚‘•°§¶†‡£€¥¢©®™¿¡№·‰′″×\xa0\ufeff"  # noqa: RUF001
_BEYOND_ASCII = re.compile(r"(?<=(.))([^\x00-\x7f])(?=(.))", re.DOTALL)


def misfits(text: str) -> int:
    """Return how many characters of `text` beyond ASCII do not fit what they are in.

    A letter of the Latin alphabet fits where one language has it, the same for the whole text: that which most of them
    fit. A letter of another script fits where no Latin letter is beside it, and a sign where it is not within a word. A
    capital does not fit after a small letter.
    """
    latin: Counter[str] = Counter()
    count = 0
    for (before, character, after), times in Counter(_BEYOND_ASCII.findall(f" {text} ")).items():
        if _is_latin(character):
            latin.update(dict.fromkeys(character.lower(), times))
            count += times * (character.isupper() and before.islower())
        elif character.isalpha():
            count += times * (_is_latin(before) or _is_latin(after) or (character.isupper() and before.islower()))
        elif not _is_sign(character) or (
            character in _BESIDE and character not in _WITHIN and before.isalpha() and after.isalpha()
        ):
            count += times
    return count + min(sum(latin[letter] for letter in latin.keys() - alphabet) for alphabet in _ALPHABETS)


def _is_sign(character: str) -> bool:
    """Return whether texts have it beside letters: punctuation, marks upon letters, and what is as wide as a kanji."""
    is_mark = unicodedata.category(character).startswith("M")
    return character in _BESIDE or is_mark or unicodedata.east_asian_width(character) in ("W", "F")


def _is_latin(character: str) -> bool:
    return character.isalpha() and (character.isascii() or "LATIN" in unicodedata.name(character, ""))
