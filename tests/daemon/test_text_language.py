"""Which language a household hears: its own, unless the text is plainly in another."""

# ruff: noqa: RUF001 - other scripts on purpose

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings, strategies as st
import pytest

from indextts_daemon.text import language
from indextts_daemon.text.language import LanguageDetector, language_name, match

HOUSE = ("en", "en-GB", "de", "fr", "es", "it")


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


DETECTED = [
    # what is short, or mostly names, is read in the household's language
    ("en", "OK", "en"),
    ("de", "OK", "de"),
    ("it", "OK", "it"),
    ("en", "Anna", "en"),
    ("de", "Jean-Pierre", "de"),
    ("en", "Guten Morgen", "en"),
    ("de", "Good night", "de"),
    ("en", "Bonjour à tous", "en"),
    ("de", "Update verfügbar", "de"),
    ("en", "21.5 °C", "en"),
    ("de", "12345", "de"),
    ("en", "", "en"),
    ("en", "...", "en"),
    ("en", "Playing Für Elise by Beethoven", "en"),
    ("en", "Bella Ciao La Casa De Papel", "en"),
    ("en", "Low battery: Aqara Motion Sensor P1", "en"),
    ("en", "Reminder: Volkswagen service in Stuttgart", "en"),
    ("en", "Set thermostat Wohnzimmer to 21", "en"),
    ("en", "Now playing: La Vie en Rose by Édith Piaf", "en"),
    ("de", "Playlist Chill Out auf Sonos Küche", "de"),
    ("de", "Party Mode im Living Room aktiv", "de"),
    ("de", "Spiele Yesterday von den Beatles", "de"),
    ("en", "Playing 千本桜 by Hatsune Miku", "en"),
    # from four words up, another language is heard
    ("en", "Die Waschmaschine ist jetzt fertig", "de"),
    ("en", "Das Licht ist aus", "de"),
    ("en", "Es ist halb acht am Abend", "de"),
    ("en", "Es regnet gleich, Fenster schließen", "de"),
    ("en", "Le lave-linge est terminé", "fr"),
    ("en", "Il est sept heures du matin", "fr"),
    ("en", "La puerta del garaje está abierta", "es"),
    ("en", "Son las siete de la tarde", "es"),
    ("en", "La porta del garage è aperta", "it"),
    ("en", "Sono le sette e mezza", "it"),
    ("de", "The washing machine is done", "en"),
    ("de", "Dinner is ready in Anna's room", "en"),
    ("fr", "The garage door is still open", "en"),
    ("it", "Die Haustür steht noch offen", "de"),
    ("es", "Il pleut, fermez les fenêtres", "fr"),
    # another script is never the household's
    ("en", "你好", "zh"),
    ("en", "洗衣机已经洗完了。", "zh"),
    ("de", "今天 Spotify 播放", "zh"),
    ("en", "洗濯が終わりました", "ja"),
    ("en", "テレビ", "ja"),
    ("en", "세탁이 끝났습니다", "ko"),
    ("en", "Стиральная машина закончила работу", "ru"),
    ("en", "Пральна машина закінчила прання", "uk"),
    ("en", "Привет", "ru"),
    ("en", "الغسالة انتهت", "ar"),
    ("en", "Το πλυντήριο τελείωσε", "el"),
    ("en", "המכונה סיימה", "he"),
    ("en", "दरवाज़ा खुला है", "hi"),
    ("en", "เครื่องซักผ้าเสร็จแล้ว", "th"),
]


@pytest.mark.parametrize(("household", "text", "language"), DETECTED)
def test_a_household_hears_the_language_it_would_expect(
    detector: LanguageDetector, household: str, text: str, language: str
) -> None:
    assert detector.detect(text, household=household, among=HOUSE) == language


@pytest.mark.parametrize(
    ("household", "among", "text", "language"),
    [
        ("zh", ("zh", "en"), "OK", "zh"),
        ("zh", ("zh", "en"), "The washing machine is done", "en"),
        ("zh", ("zh", "ja"), "The washing machine is done", "zh"),
        ("zh", ("zh", "ja", "en"), "洗濯が終わりました", "ja"),
        ("ja", ("ja", "en", "zh"), "完了", "ja"),
        ("ja", ("ja", "en", "zh"), "洗衣机已经洗完了,请去拿衣服", "zh"),
        ("ru", ("ru", "uk", "en"), "Добрий день", "ru"),
        ("ru", ("ru", "uk", "en"), "Пральна машина закінчила прання", "uk"),
        ("en", ("en", "uk"), "Привіт", "uk"),
        ("en", ("en", "zh"), "Die Waschmaschine ist jetzt fertig", "en"),
    ],
)
def test_what_can_be_spoken_decides_among_scripts(
    detector: LanguageDetector, household: str, among: tuple[str, ...], text: str, language: str
) -> None:
    assert detector.detect(text, household=household, among=among) == language


@pytest.mark.parametrize(
    ("household", "among", "text", "language"),
    [
        ("en-GB", HOUSE, "The washing machine is done", "en-GB"),
        ("en-GB", HOUSE, "OK", "en-GB"),
        ("en-US", HOUSE, "OK", "en"),
        ("de-AT", HOUSE, "Die Waschmaschine ist jetzt fertig", "de"),
        ("de", ("de", "en-GB"), "The washing machine is done", "en-GB"),
        ("de", HOUSE, "The washing machine is done", "en"),
    ],
)
def test_the_answer_is_a_tag_that_is_offered(
    detector: LanguageDetector, household: str, among: tuple[str, ...], text: str, language: str
) -> None:
    assert detector.detect(text, household=household, among=among) == language


def test_a_household_language_that_nobody_speaks_is_named_and_not_replaced(
    detector: LanguageDetector,
) -> None:
    assert detector.detect("Goedemorgen", household="nl", among=HOUSE) == "nl"
    dutch = "De wasmachine is klaar en de was kan eruit"
    assert detector.detect(dutch, household="nl", among=HOUSE) == "nl"


@given(
    text=st.text(st.characters(max_codepoint=0x24F), max_size=80), household=st.sampled_from(HOUSE)
)
@settings(deadline=None)
def test_latin_text_never_leaves_what_is_offered(
    detector: LanguageDetector, text: str, household: str
) -> None:
    assert detector.detect(text, household=household, among=HOUSE) in HOUSE


def test_short_text_needs_no_model() -> None:
    language._model.cache_clear()
    detector = LanguageDetector()
    for text in ("OK", "Guten Morgen Anna", "你好", "テレビ", "21 °C"):
        detector.detect(text, household="en", among=HOUSE)
    assert language._model.cache_info().misses == 0


def test_the_model_is_read_once_whoever_loads_it() -> None:
    language._model.cache_clear()
    detectors = [LanguageDetector(), LanguageDetector()]
    with ThreadPoolExecutor() as threads:
        list(threads.map(LanguageDetector.load, detectors))
    assert language._model.cache_info().misses == 1


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("en", "en"), ("EN", "en"), ("en-US", "en"), ("en_us", "en"), ("en-gb", "en-GB"),
        ("en-GB", "en-GB"), ("de-AT", "de"), ("zh-Hans-CN", None), ("nl", None), ("", None),
        ("e", None), ("english", None),
    ],
)  # fmt: skip
def test_a_tag_is_matched_exactly_or_by_its_base(tag: str, found: str | None) -> None:
    assert match(tag, HOUSE) == found


def test_without_the_base_a_region_does_not_stand_in_for_another() -> None:
    assert match("en-US", ("en-GB", "de")) is None
    assert match("zh-Hans-CN", ("zh", "zh-Hans")) == "zh-Hans"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("en", "English"),
        ("en-GB", "English (United Kingdom)"),
        ("de", "German"),
        ("zh-Hans", "Chinese (Simplified)"),
        ("pt-BR", "Portuguese (Brazil)"),
        ("de-XX", "German (XX)"),
        ("tlh", "tlh"),
    ],
)
def test_languages_have_english_names(code: str, name: str) -> None:
    assert language_name(code) == name
