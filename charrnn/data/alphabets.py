"""What speaks for a text being what somebody wrote: frequent words, and letters of one language. Knows no encodings.

A text that was decoded with the wrong table has letters of several languages in it (ĺ beside ö), letters of another
script inside a Latin word, or signs inside words; and where its script is another, its words are no words.

Frequent words tell languages apart in a few lines (Grefenstette 1995, Comparing two language identification schemes).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

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


@dataclass(frozen=True)
class _Language:
    """A language.

    Attributes:
        words: some of its most frequent ones, in lower case; where `blanks` is false, characters.
        letters: those beyond ASCII, in lower case; None: all of its script.
        blanks: whether blanks part its words.
    """

    words: frozenset[str]
    letters: frozenset[str] | None = None
    blanks: bool = True

    def misfits(self, letters: Counter[str], alone: Counter[str], borrowed: Collection[str]) -> tuple[int, int]:
        """Return how many `letters` are none of it, and how many others it only borrows, which are `borrowed`."""
        if self.letters is None:
            return 0, 0
        others = {letter: times for letter, times in letters.items() if letter not in self.letters}
        foreign = sum(times for letter, times in others.items() if letter in borrowed)
        no_words = sum(times for letter, times in alone.items() if letter not in self.words)
        return sum(others.values()) - foreign + no_words, foreign


def _spelt(letters: str | None, words: str) -> _Language:
    return _Language(frozenset(words.split()), None if letters is None else frozenset(letters))


def _characters(characters: str) -> _Language:
    return _Language(frozenset(characters), blanks=False)


_CHINESE = (
    _characters("的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"),
    _characters("的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"),
)
_JAPANESE = _characters(
    "一日人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女方手何私思家分事場自目言物会者同"
    "用合名部定文字使必要動作指示次表変更新内容消力語可能的理由地国体電車心道知聞持開待主代対回全世界通社明度実"
)
_LANGUAGES: Mapping[str, tuple[_Language, ...]] = {
    "LATIN": (
        _spelt("", "the of and to in is that it for was you with he be on by this not are but from have his which or"),
        _spelt("äöüß", "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es wird"),
        _spelt(
            "åäö", "å och att det i en är som på den för av med till inte om har de ett var jag kan inte eller från"
        ),
        _spelt(
            "æøåé", "å og at det er en til af på for den de ikke med som har der et kan jeg eller fra blev ikke var"
        ),
        _spelt("æøåéòôó", "og det er i en til av på for som den ikke med har de et kan jeg eller fra ble ikke om var"),
        _spelt(
            "áðéíóúýþæö", "á og að er í til sem við ekki um það en með af hann var fyrir var ég eða þegar þú frá hún"
        ),
        _spelt("äöåšž", "ja on ei se että oli hän mutta ovat kun niin myös joka kuin tai hänen mitä voi tämä sen jos"),
        _spelt(
            "éèëïöüçêîôûáóíú", "de het een van en in dat is op te zijn met voor niet aan er om ook als bij maar naar"
        ),
        _spelt(
            "àâæçéèêëîïôœùûüÿ",
            "à de la le et les des en un du une que est pour qui dans par plus pas au sur ne se il ce à était été avec",
        ),
        _spelt(
            "áéíñóúüºª", "de la que el en y los se del las un por con no una su para es al lo como más pero sus está"
        ),
        _spelt(
            "àèéíïòóúüç·", "de la que el en i els per les del un amb no una es al dels com més però són aquest és è à"
        ),
        _spelt(
            "áàâãçéêíóôõúºª", "de que o do da em um para não uma os no se na por mais as dos como mas ao ou são é à ó"
        ),
        _spelt(
            "àèéìíîòóùú",
            "di che la il un per in una del è é non con le si da sono dei come più nel alla ma della anche",
        ),
        _spelt("áéíóúàèìòù", "an na ar agus go is le ní atá do sé bhí á ó tá mar leis ach seo gu air tha nach bha cha"),
        _spelt("âêîôûŵŷäëïöü", "yr yn ac ar mae i am wedi ei bod gan fel oedd hyn ond nad gyda nid sydd eu roedd"),
        _spelt("ąćęłńóśźż", "na się nie do to jest że od po jak za dla co przez przy ale jego był tym lub oraz czy są"),
        _spelt(
            "áčďéěíňóřšťúůýž", "se na je že to by do ve pro jako jeho ale po od za si byl tak který není nebo při jsou"
        ),
        _spelt(
            "áäčďéíĺľňóôŕšťúýž", "sa na je že to by do vo pre ako jeho ale po od za si bol tak ktorý nie alebo pri sú"
        ),
        _spelt(
            "áéíóöőúüű", "ő az és hogy nem egy is ez volt de meg csak mint még már ha van vagy ezt lehet kell nincs el"
        ),
        _spelt("čćđšž", "je se da na su za od koji nije kao ne što iz ili ali bio sam će to po biti može ako datoteka"),
        _spelt("čšž", "je in na se da so za ki ni ne po bi pa kot iz od tudi ali pri bil za še biti lahko če ali ob"),
        _spelt("ăâîşţșț", "de și şi în la cu un pe nu că din este pentru care sau mai au fost ce prin fi dacă ca lui"),
        _spelt("çëéê", "të dhe në një për me që nga është si ka se do më por nuk është kjo ishte kur ai"),
        _spelt(
            "çğıöşüâîû\u0307",
            "bir ve bu için ile de da ne çok olarak var daha gibi olan o kadar sonra değil ama her en",
        ),
        _spelt("ąčęėįšųūž", "ir kad yra tai su iš ne kaip buvo bet nuo už dėl ar jis po jo apie tik dar į būti arba"),
        _spelt("āčēģīķļņšūžōŗ", "un ir ka no ar uz par tas kas bet nav viņš kā vai pie to tika lai arī bija šo nevar"),
        _spelt("äöõüšž", "ja on ei et see oli kui ta mis aga ka oma või pole seda siis nii selle ning ma ole kuid"),
        _spelt("ñç", "eta da ez ere bat dira du zen zuen den izan edo baina dute dago behar egin nahi duen dela hau"),
        _spelt(
            "áéíóúñüï", "de que o a e do da non en unha para se os as no na por máis ao como foi ou pero ten está é"
        ),
        _spelt("ĉĝĥĵŝŭ", "la de kaj en estas al ne por kun mi ke li ĝi ĉi kiu estis sed pri tiu ili aŭ ĉu"),
        _spelt(
            "àâãèéêìíòóôõùúýăđĩũơư\u0300\u0301\u0303\u0309\u0323", "của và là các không có cho được một trong đã với"
        ),
    ),
    "CYRILLIC": (
        _spelt(
            "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
            "не на что он как но по из это она для от так же за был его "
            "все или при если только может быть нет чтобы будет файл уже",
        ),
        _spelt(
            "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
            "не на що та як до за він це але від для про його був або "
            "то при із якщо може бути немає лише файл коли щоб буде цей ви",
        ),
        _spelt("абвгдежзийклмнопрстуфхцчшщъьюя", "на да не се от за по като това че ще са си или беше към със но може"),
        _spelt(
            "абвгдђежзијклљмнњопрстћуфхцчџш", "је да се на не за су од као али или што који из није био по ће ако то"
        ),
        _spelt("абвгдежзійклмнопрстуўфхцчшыьэюяё", "не на што як да за ад але для гэта па ён пра была або яго калі з"),
        _spelt("абвгдѓежзѕијклљмнњопрстќуфхцчџш", "на да се не од за со ќе што како е во или но по беше тоа ги го"),
    ),
    "GREEK": (
        _spelt(None, "και το να του της με που δεν για την από στο θα τα είναι τον των σε στην μια οι ένα τις αλλά ή"),
    ),
    "HEBREW": (
        _spelt(
            None,
            "של את על לא זה עם הוא כל או גם אני היא אל כי יש אם אבל מה "
            "את אשר בין אין כמו לפי זו ניתן להיות היה אינו קובץ שם מספר",
        ),
    ),
    "ARABIC": (
        _spelt(
            None,
            "في من على إلى أن لا عن ما هذا هذه مع كان التي الذي لم أو هو "
            "كل بعد إن ثم يمكن غير هي لم لا يكن تم قبل ملف أي حتى عند خطأ",
        ),
    ),
    "THAI": (_characters(""),),
    "HANGUL": (_characters("이다는을에의가고하지한로를은도기서사시수나니그인자어대있일리해"),),
    "KANA": (_characters("のにはをたがでてとしれさいなるからもすりこまっあよう"),),
    "CJK": (*_CHINESE, _JAPANESE),
}
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
    likely = {_LATIN: _likely(_LANGUAGES[_LATIN], latin, letters.get(_LATIN, Counter()), around)}
    for script in letters.keys() - {_LATIN}:
        likely[script] = _likely(_LANGUAGES.get(script, ()), words.get(script, Counter()), letters[script])
    if "CJK" in letters and "KANA" in letters and likely["KANA"].told:
        likely["CJK"] = replace(_likely((_JAPANESE,), Counter(), letters["CJK"]), told=True)
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

    languages: tuple[_Language, ...]
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


def _likely(languages: tuple[_Language, ...], words: Counter[str], letters: Counter[str], around: str = "") -> _Likely:
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


def _near(languages: tuple[_Language, ...], hits: list[int], words: int) -> tuple[tuple[_Language, ...], int]:
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
