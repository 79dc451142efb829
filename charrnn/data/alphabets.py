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
        "çğıöşüâîû\u0307",  # Turkish; the dot is what İ has beyond i in lower case
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
        count += times * (character.isupper() and before.islower())
        if _is_latin(character):
            # Of a letter that is several characters in lower case, the last is beyond ASCII.
            latin[character.lower()[-1]] += times
        elif character.isalpha():
            count += times * (_is_latin(before) or _is_latin(after))
        else:
            count += times * (not _fits(character, within=before.isalpha() and after.isalpha()))
    return count + min(sum(latin[letter] for letter in latin.keys() - alphabet) for alphabet in _ALPHABETS)


def _fits(sign: str, within: bool) -> bool:
    """Return whether texts have `sign`, which is no letter, beside a word, or `within` one.

    Marks upon letters and what is as wide as a kanji may stand anywhere.
    """
    anywhere = unicodedata.category(sign).startswith("M") or unicodedata.east_asian_width(sign) in ("W", "F")
    return anywhere or sign in (_WITHIN if within else _BESIDE)


def _is_latin(character: str) -> bool:
    return character.isalpha() and (character.isascii() or "LATIN" in unicodedata.name(character, ""))
