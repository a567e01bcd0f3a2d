"""Text in pieces, cut anywhere: the words are those of the whole, each once, as soon as may be."""

# ruff: noqa: E501, RUF001 - look-alikes and other scripts on purpose, each story on a line

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given, settings, strategies as st
import pytest

from indextts_daemon.text.cleaning import clean, has_words
from indextts_daemon.text.incoming import IncomingText
from indextts_daemon.text.sentences import split

STORIES = {
    "en": [
        "Dinner is ready. Come to the **big table**, please! It's 21.5 °C; 1,250 people came, wow.",
        "Dr. Smith called, e.g. about the 3.14 apples. Mr. J. Doe (yes. him!) too. 'Why?' she said.",
        "See [the manual. Page two](https://example.com/a_(b)?q=1.5#x) at www.example.com/a?b. Ok.",
        "# Plan. For today\nFirst do this,\nthen that.\n\n- [x] milk. Eggs\n- bread\n3. Three\n---\nBye!",
        "Code:\n```yaml\nturn: on. Now\n```\nand `x`. <p>Tag</p><a href='x.org/a b'>here</a> end.",
        "Family 👨‍👩‍👧‍👦 time! 😀 Go. 🎉🎉 Done? Yes. &amp; more &#8364;5. <!-- not. this --> Seen.",
        "| Room. A | Temp |\n|---|:-:|\n| Bath. B | 23 |\n> quoted. Text\n> > twice\nTrue[^1].",
        "Half a smile :[ and on. It goes. 3 * 4 is 12. Not*this* and __init__, snake_case. ~~No~~.",
    ],
    "de": [
        "Wir haben z. B. Äpfel, d. h. Obst. Am 3. Mai um 7.30 Uhr! Hr. Müller (u. a. er) kommt nun.",
        "Die Waschmaschine ist fertig – bitte ausräumen! Es sind -3 °C. „Wirklich?“ Ja. Haus Nr. 5.",
    ],
    "fr": ["Le dîner est prêt ! « Déjà ? » Oui. M. Durand, p. ex. lui, vient à 7.30 h. C'est tout."],
    "zh": ["你好。今天天气很好，我们去公园吧！“真的？”他说。现在是3.5度，看https://a.com谢谢。好吗?好!走。"],
    "ja": ["おはよう。洗濯が終わりました！「本当？」はい、か\u3099くせいです。ハ\u309aン。𠮷野家、へ。"],
    "hi": ["दरवाज़ा खुला है। बंद करो। अच्छा, ठीक है!"],
    "xx": ["e\u0301te\u0301 n\u0303. 𝐁old 𝟓. ｆｕｌｌ. A\u200db. \r\nNew\r\nline. \x0cPage\u2028Line. \ud83d."],
}  # fmt: skip
TOLD = [(language, story) for language, stories in STORIES.items() for story in stories]


def surrogates(text: str) -> str:
    """Return the text as two surrogates for each character beyond the first plane."""
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(units[at] | units[at + 1] << 8) for at in range(0, len(units), 2))


def cut(text: str, places: Iterable[int]) -> list[str]:
    bounds = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(bounds)]


def spoken(pieces: Iterable[str], language: str, *, begin_after: int = 0) -> list[str]:
    """Return what is given back of a text that is begun after so many pieces."""
    text, sentences = IncomingText(), []
    for number, piece in enumerate(pieces):
        if number == begin_after:
            sentences += text.begin(language)
        sentences += text.feed(piece)
    rest = text.end()
    return [*sentences, *(rest if begin_after <= number else text.begin(language))]


def words(sentences: Iterable[str]) -> str:
    return "".join(character for character in "".join(sentences) if character.isalnum())


def prepared(text: str, language: str) -> list[str]:
    return [sentence for sentence in split(clean(text), language) if has_words(sentence)]


@pytest.mark.parametrize(("language", "story"), TOLD)
def test_one_character_after_another_gives_the_sentences_of_the_whole(
    language: str, story: str
) -> None:
    assert spoken(story, language) == prepared(story, language)
    assert spoken(surrogates(story), language) == prepared(story, language)


@pytest.mark.parametrize(("language", "story"), TOLD)
def test_a_text_that_arrives_whole_is_the_whole(language: str, story: str) -> None:
    assert spoken([story], language) == prepared(story, language)
    together = f"{story} {story}\n\n{story}"
    assert spoken([together], language) == prepared(together, language)


@settings(max_examples=300)
@given(st.sampled_from(TOLD), st.lists(st.integers(0, 400), max_size=30), st.integers(0, 3))
def test_wherever_it_is_cut_no_word_is_lost_or_said_twice(
    told: tuple[str, str], places: list[int], begin_after: int
) -> None:
    language, story = told
    pieces = cut(surrogates(story), places)
    begin_after = min(begin_after, len(pieces) - 1)
    assert spoken(pieces, language) == prepared(story, language)
    begun_later = spoken(pieces, language, begin_after=begin_after)
    assert words(begun_later) == words(prepared(story, language))


MARKUP = [
    *"aB1 \n.!?,:;#*_`~|>+-()&。，好„“»'\"/=\u0301\ud83d\ude00",
    *("Hello", " world", " foo. ", ". ", "\n\n", "\n- ", "\n# ", "1. ", "[ ] ", "z. B. ", "```\n"),
    *("<b>", "</p>", "<a href='x. y'>", "<!-- a. b -->", "&amp;", "http://a.b/c", "www."),
    *("[a. b](c)", "![[x](y. z)](http://q.r)", "[^1]"),
]


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(MARKUP), max_size=60).map("".join)
    | st.text(st.characters(exclude_characters="<[&`~"), max_size=200),
    st.lists(st.integers(0, 400), max_size=30),
)
def test_whatever_is_written_no_word_is_lost_or_said_twice(text: str, places: list[int]) -> None:
    assert words(spoken(cut(text, places) or [""], "de")) == words(prepared(text, "de"))


def given_back(*pieces: str, language: str = "en") -> list[list[str]]:
    """Return what each piece brings."""
    text = IncomingText()
    assert text.begin(language) == []
    return [text.feed(piece) for piece in pieces]


def test_a_sentence_comes_as_soon_as_what_follows_shows_that_it_is_whole() -> None:
    assert given_back("Dinner is", " ready", ".", " ", "C", "o", "me.") == [
        *([], [], [], [], []),
        ["Dinner is ready."],
        [],
    ]
    assert given_back("It is so. Yes, ")[-1] == ["It is so."]
    assert given_back("Dr", ". ", "No is here. z", ". ", "B.", " yes") == [[]] * 6
    assert given_back("It is 3", ".", "14 now. ", "Yes", language="de")[-1] == ["It is 3.14 now."]
    assert given_back("Title\n", "\n", "Te", "xt ", "a")[-1] == ["Title"]
    assert given_back("你好。", "今", "天", language="zh") == [[], [], ["你好。"]]


@pytest.mark.parametrize("begins_at", [0, 1, 2])
@pytest.mark.parametrize("language", ["en", None])
def test_a_pause_ends_a_sentence_that_looks_whole(language: str | None, begins_at: int) -> None:
    text, said = IncomingText(language), list[str]()
    for at, piece in enumerate(["Hello. Let me look it up.", " It is **3.1", "4** degrees."]):
        if at == begins_at:
            said += text.begin("en")
        said += text.feed(piece)
        said += text.pause()
    if begins_at == 0:
        assert said == ["Hello.", "Let me look it up.", "It is 3.14 degrees."]
    assert said + text.end() == ["Hello.", "Let me look it up.", "It is 3.14 degrees."]
    assert text.arrived == ""


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("Let me look", "en"),
        ("It costs 3.", "en"),
        ("So macht man das, z. B.", "de"),
        ("See [the manual.", "en"),
        ("See <a title='One.", "en"),
        ("...", "en"),
    ],
)
def test_a_pause_ends_nothing_else(written: str, language: str) -> None:
    text = IncomingText(language)
    text.begin(language)
    assert text.feed(written) + text.pause() == []
    assert not text.has_sentence


def test_what_is_not_a_word_waits_for_one_and_is_not_spoken_alone() -> None:
    text = IncomingText()
    text.begin("en")
    assert text.feed("Hello. 😀 🎉 !!! ") == []
    assert text.feed("\n\n***\n\n😀") == []
    assert text.end() == ["Hello. !!!"]


@pytest.mark.parametrize(
    ("opening", "held", "rest"),
    [
        ("See it. [The man. ual", "](http://x.org/y", ") Yes"),
        ("See it. <a title='One. Two", "' href='x. y", "'>Yes"),
        ("See it.\n```ya", "ml", "\nYes"),
        ("See it. <!-- Not. ", "This. ", "--> Yes"),
    ],
)
def test_nothing_of_what_is_still_open_is_spoken(opening: str, held: str, rest: str) -> None:
    before, meanwhile, _ = given_back(opening, held, f"{rest}, sir.")
    assert [*before, *meanwhile] in ([], ["See it."])
    assert spoken([opening, held, rest], "en") == prepared(opening + held + rest, "en")


def test_a_link_is_not_spoken_with_its_address_because_another_was_never_closed() -> None:
    pieces = ["It is [broken](here. It goes on and on for a while. And [the manual. It\n", "helps"]
    pieces += [", sir](http://example.com/a/b", ") is there. Yes"]
    assert spoken(pieces, "en") == prepared("".join(pieces), "en")


def test_a_link_that_is_closed_holds_up_nothing_whatever_its_address() -> None:
    said = given_back("See [a](http://x/[y) here. One", " two three. Fo", "ur.")
    assert said[:2] == [["See a here."], ["One two three."]]


def test_what_is_never_closed_is_spoken_after_a_while() -> None:
    pieces = ["It is ", "[half open. ", *("Then it went on and on. " for _ in range(40))]
    said = given_back(*pieces)
    assert said[-1]
    assert spoken(pieces, "en") == prepared("".join(pieces), "en")


@pytest.mark.parametrize(
    ("arrived", "clause"),
    [
        ("Good morning to you all, the cof", "Good morning to you all,"),
        ("Die Spülmaschine ist fertig – bitte", "Die Spülmaschine ist fertig –"),
        ("今天天气非常好，我们", "今天天气非常好，"),
        ("Well, good morning to all: it", "Well, good morning to all:"),
        ("Dr. Smith is at the door, he", "Dr. Smith is at the door,"),
        ("There were 1,250 of us here; so", "There were 1,250 of us here;"),
        ("Well, I", ""),
        ("Hello there, you", ""),
        ("It has cost them 1,250", ""),
        ("It has cost them 1, 2", ""),
        ("The lamp (the red one over there, he", ""),
        ("Good morning to you all,", ""),
        ("Good morning to you all, the coffee is ready.", ""),
        ("Good morning to you all, the coffee is ready. Come", ""),
        ("今天，我们", ""),
        ("Good morning to you all and then", ""),
    ],
)
def test_only_of_an_unfinished_sentence_a_first_clause_is_spoken_early(
    arrived: str, clause: str
) -> None:
    for piece in ([arrived], arrived):
        text = IncomingText()
        for part in piece:
            text.feed(part)
        assert text.has_clause == bool(clause)
        language = "de" if "Spül" in arrived else "en"
        begun = text.begin(language)
        assert begun[:1] == [clause] if clause else begun in ([], [arrived.removesuffix(" Come")])
        rest = [*text.feed(" and so on, and so forth, it goes. Yes,"), *text.feed(" it does.")]
        said = [*begun, *rest, *text.end()]
        assert said[-1] == "Yes, it does."
        assert len(said) <= 4


def test_what_a_text_begins_with_is_there_for_the_language_to_be_told() -> None:
    text = IncomingText()
    text.feed("Am 3.")
    text.feed(" **Mai** ist z. B. Feiertag.")
    assert not text.has_sentence
    assert text.arrived == "Am 3. Mai ist z. B. Feiertag."
    text.feed(" Na")
    assert text.has_sentence
    assert text.begin("de") == ["Am 3. Mai ist z. B. Feiertag."]
    assert text.end() == ["Na"]


def test_before_it_is_begun_and_after_its_end_all_is_kept() -> None:
    text = IncomingText("en")
    assert text.feed("One is here. Two is here. Th") == []
    assert text.has_sentence
    assert text.end() == []
    assert text.ended
    assert text.begin("en") == ["One is here.", "Two is here.", "Th"]
    assert text.characters == len("One is here. Two is here. Th")


@given(st.text(max_size=300))
def test_a_whole_text_is_prepared(text: str) -> None:
    whole = IncomingText.whole(text)
    assert (whole.ended, whole.characters) == (True, len(text))
    assert whole.begin("de") == prepared(text, "de")
