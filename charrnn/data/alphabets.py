"""What speaks for a text being what somebody wrote: frequent words, and letters of one language. Knows no encodings.

A text that was decoded with the wrong table has letters of several languages in it (ĺ beside ö), letters of another
script inside a Latin word, or signs inside words; and where its script is another, its words are no words.

Frequent words tell languages apart in a few lines (Grefenstette 1995, Comparing two language identification schemes).
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from charrnn.data.languages import JAPANESE, LANGUAGES, Language

# ruff: noqa: RUF001


@dataclass(frozen=True)
class Evidence:
    """What speaks for a text, and what against it.

    Attributes:
        familiar: frequent words of the language that a script's words are in (characters, where no blanks part words).
        odd: characters beyond ASCII that do not fit what they are in; see `evidence`.
        foreign: letters of the Latin alphabet that the language only borrows.
        beyond: characters beyond ASCII.
        known: whether the frequent words say which languages it is in.
    """

    familiar: int
    odd: int
    foreign: int
    beyond: int
    known: bool


_SCRIPTS = {"HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA"}
_LATIN = "LATIN"
_WITHOUT_BLANKS = ("KANA", "CJK", "HANGUL")
# Letters of Latin languages with an old encoding that names and loanwords bring into the others.
_BORROWED = frozenset("áàâäãåæçèéêëíìîïñóòôöõøœßúùûüýÿšž")
# Signs that stand beside words, and those that also stand within: an apostrophe, a dash, an ellipsis, a soft hyphen.
_WITHIN = "’–—…\xad·"
_BESIDE = _WITHIN + "«»‹›“”„‚‘•°§†£€¥¢©®™¿¡№‰′″×½¼¾²³µºª\xa0\ufeff"
_ORDINAL = "ºª"
# Those of numbers, which begin and end no word, except in m².
_OF_NUMBERS = "²³½¼¾‰£€¥¢"
_OPENING = "„‚"
_QUOTES = "“”„‘’‚"
_BEYOND_ASCII = re.compile(r"(?<=(.))([^\x00-\x7f])(?=(.))", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
# Fewer frequent words than these, absolutely and of a hundred, say nothing of the language.
_FEW, _RARE = 3, 4
# What is in the language of the text around it has so many frequent words of a hundred.
_AS_AROUND = 5
# So many words in a script other than the Latin, without a frequent one, are no text.
_SOME = 40


def evidence(text: str, around: str = "") -> Evidence:
    """Return what speaks for `text` and against it, the words of each script by the languages of that script.

    Where its own words do not tell the language, it is that of `around`, the ASCII text it is from, if some of its
    words are frequent there. A letter fits where it is one of a language that the frequent words point to (of all
    languages, where they point to none; the same for the whole text), and no letter of another script is beside it. A
    sign fits where it is not within a word. A capital does not fit after a small letter.
    """
    words: dict[str, Counter[str]] = {}
    for word in _WORD.findall(text):
        words.setdefault(_script(word[0]), Counter())[word.lower()] += 1
    letters: dict[str, Counter[str]] = {}
    mixed: Counter[str] = Counter()  # by script, letters beside those of the Latin alphabet
    alone: Counter[str] = Counter()  # those of the Latin alphabet that are beside no letter
    odd = beyond = 0
    for (before, character, after), times in Counter(_BEYOND_ASCII.findall(f" {text} ")).items():
        beyond += times
        mark = unicodedata.category(character).startswith("M")
        if mark and _is_latin(before):  # a part of the letter
            letters.setdefault(_LATIN, Counter())[character] += times
            continue
        if character in _BESIDE or not character.isalpha():
            odd += times * (not _fits(before, character, after))
            continue
        script = _script(character)
        # Of a letter that is several characters in lower case, the last is beyond ASCII.
        small = character.lower()[-1]
        letters.setdefault(script, Counter())[small] += times
        odd += times * (character.isupper() and before.islower())
        if script != _LATIN:
            mixed[script] += times * (_is_latin(before) or _is_latin(after))
        elif not before.isalpha() and not after.isalpha():
            alone[small] += times
    latin = words.get(_LATIN, Counter())
    likely = {_LATIN: _likely(LANGUAGES[_LATIN], latin, letters.get(_LATIN, Counter()), around)}
    for script in letters.keys() - {_LATIN}:
        likely[script] = _likely(LANGUAGES.get(script, ()), words.get(script, Counter()), letters[script])
    if "CJK" in letters and "KANA" in letters and likely["KANA"].told:
        likely["CJK"] = replace(_likely((JAPANESE,), Counter(), letters["CJK"]), told=True)
    foreign = 0
    for script, counts in letters.items():
        here = likely[script]
        among_latin = likely[_LATIN].told and counts.total() < latin.total()
        spoken = (counts if script in _WITHOUT_BLANKS else words.get(script, Counter())).total()
        if script != _LATIN and not here.told and (among_latin or (spoken >= _SOME and script != "THAI")):
            odd += counts.total()  # letters that make no words: as in a Latin text that is read as another script
        else:
            unlike, borrowed = here.misfits(counts, alone if script == _LATIN else Counter())
            odd += unlike
            foreign += borrowed
        if script not in _WITHOUT_BLANKS or not here.told or among_latin:
            odd += 2 * mixed[script]
    return Evidence(
        familiar=sum(one.familiar for one in likely.values()),
        odd=odd,
        foreign=foreign,
        beyond=beyond,
        known=all(likely[script].told for script in letters),
    )


@dataclass(frozen=True)
class _Likely:
    """The languages that the words of one script may be in.

    Attributes:
        languages: all that have the script, where `told` is false.
        familiar: how many words are frequent ones of the likeliest.
        told: whether that is enough to tell.
        around: whether only the text around them tells: they may be in another, and the letters of that.
    """

    languages: tuple[Language, ...]
    familiar: int
    told: bool
    around: bool = False

    def misfits(self, letters: Counter[str], alone: Counter[str]) -> tuple[int, int]:
        """Return how many `letters` do not fit, and how many are borrowed, by the language that they fit best.

        Of those that stand `alone`, none fits that is no word.
        """
        if not self.languages:
            return letters.total(), 0
        borrowed = letters if self.around else _BORROWED
        return min(
            language.misfits(letters, alone if self.told else Counter(), borrowed) for language in self.languages
        )


def _likely(languages: tuple[Language, ...], words: Counter[str], letters: Counter[str], around: str = "") -> _Likely:
    """Return which of `languages` the words are in, if need be by those `around` them.

    Words of one letter show nothing, and neither do one or two characters that are frequent by chance.
    """
    if not languages:
        return _Likely((), 0, told=False)
    blanks = languages[0].blanks
    counted = Counter({word: times for word, times in words.items() if len(word) > 1}) if blanks else letters
    hits = [sum(counted[word] for word in language.words) for language in languages]
    near, most = _near(languages, hits, counted.total())
    if near and (blanks or any(len(language.words & counted.keys()) >= _FEW for language in near)):
        return _Likely(near, most, told=True)
    if around:
        beside = Counter(word for word in _WORD.findall(around.lower()) if len(word) > 1)
        more = [hit + sum(beside[word] for word in one.words) for hit, one in zip(hits, languages, strict=True)]
        near, _ = _near(languages, more, counted.total() + beside.total())
        near = tuple(one for one in near if 100 * hits[languages.index(one)] >= _AS_AROUND * counted.total())
        if near:
            return _Likely(near, most, told=True, around=True)
    return _Likely(languages, most, told=False)


def _near(languages: tuple[Language, ...], hits: list[int], words: int) -> tuple[tuple[Language, ...], int]:
    """Return the languages with the most `hits` among so many `words`, none where these are few; and the most hits."""
    most = max(hits)
    if most < _FEW or 100 * most < _RARE * words:
        return (), most
    return tuple(language for language, hit in zip(languages, hits, strict=True) if 5 * hit >= 3 * most), most


def _fits(before: str, sign: str, after: str) -> bool:
    """Return whether texts have `sign`, which is no letter, between these two characters.

    A mark stands upon a letter of its script, what is as wide as a kanji anywhere.
    """
    if unicodedata.category(sign).startswith("M"):
        return _script(sign) in ("COMBINING", _script(before))
    if sign in _QUOTES and before.isspace() and after.isspace():
        return False
    if sign in _ORDINAL and not before.isalnum():
        return False
    if sign in _OF_NUMBERS and (after.isalpha() if before.isspace() else before.isalpha() and before != "m"):
        return False
    if sign in _OPENING and (before.isalpha() or after.isspace() or after in _OPENING):
        return False
    within = before.isalpha() and after.isalpha()
    return unicodedata.east_asian_width(sign) in ("W", "F") or sign in (_WITHIN if within else _BESIDE)


@lru_cache(maxsize=2**16)
def _script(character: str) -> str:
    if character.isascii():
        return "LATIN"
    name = unicodedata.name(character, "").partition(" ")[0]
    return _SCRIPTS.get(name, name)


def _is_latin(character: str) -> bool:
    return character.isalpha() and _script(character) == _LATIN
