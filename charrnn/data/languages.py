"""Languages with old encodings: some of their frequent words, and the letters they are spelt with."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

# ruff: noqa: RUF001


@dataclass(frozen=True)
class Language:
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


def _spelt(letters: str | None, words: str) -> Language:
    return Language(frozenset(words.split()), None if letters is None else frozenset(letters))


def _characters(characters: str) -> Language:
    return Language(frozenset(characters), blanks=False)


_CHINESE = (
    _characters("的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"),
    _characters("的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"),
)
JAPANESE = _characters(
    "一日人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女方手何私思家分事場自目言物会者同"
    "用合名部定文字使必要動作指示次表変更新内容消力語可能的理由地国体電車心道知聞持開待主代対回全世界通社明度実"
)
LANGUAGES: Mapping[str, tuple[Language, ...]] = {
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
            "كل بعد إن ثم يمكن غير هي يكن تم قبل ملف أي حتى عند خطأ",
        ),
    ),
    "THAI": (_characters(""),),
    "HANGUL": (_characters("이다는을에의가고하지한로를은도기서사시수나니그인자어대있일리해"),),
    "KANA": (_characters("のにはをたがでてとしれさいなるからもすりこまっあよう"),),
    "CJK": (*_CHINESE, JAPANESE),
}
