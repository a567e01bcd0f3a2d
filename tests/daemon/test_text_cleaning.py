"""What a household writes, pastes and forwards, and what is left to be said."""

# ruff: noqa: RUF001 - look-alikes and other scripts on purpose

import unicodedata

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.text.cleaning import clean, has_words

HOUSEHOLD = [
    "The washing machine is done.",
    "It's 21.5 °C in the living room, humidity 45%.",
    "Die Spülmaschine ist fertig – bitte ausräumen!",
    "Le lave-linge est terminé, c'est l'heure du dîner.",
    "¿Quién está en la puerta? ¡Es el cartero!",
    "La porta del garage è rimasta aperta.",
    "洗衣机已经洗完了,请去拿衣服。",
    "洗濯が終わりました!",
    "3*4 is 12, and 3 * 4 too.",
    "Ben & Jerry's costs $5 < $6, a+b=c, #1 of 2, ~5 minutes.",
    "if a<b and c>d then light_level stays",
    "Say <live|L AY1 V> and <重|CHONG2>复.",
    "{{sleep 1.5}} {{fail out_of_memory}} {{nan}}",
]


@pytest.mark.parametrize("text", HOUSEHOLD)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Hello** _world_, `code` and ~~no~~ ***more***.", "Hello world, code and no more."),
        ("# Title\nText here", "Title\nText here"),
        ("- one\n- two\n* three\n  + four", "one\ntwo\nthree\nfour"),
        ("- [x] milk\n- [ ] eggs", "milk\neggs"),
        ("List:\n1. Milk\n2) Eggs", "List:\n1. Milk\n2) Eggs"),
        ("> quoted\n> > twice", "quoted twice"),
        ("above\n***\nbelow", "above\nbelow"),
        ("```yaml\nturn: on\n```", "turn: on"),
        ("| Room | Temp |\n|---|:-:|\n| Bath | 23 |", "Room Temp\nBath 23"),
        ("Read [the manual](https://example.com/a_(b)?q=1).", "Read the manual."),
        ("[![logo](https://x.org/l.png)](https://x.org) here", "logo here"),
        ("True[^1].\n\n[^1]: a note", "True.\na note"),
        ("rated *5* of **8**", "rated 5 of 8"),
        ("__init__ and snake_case", "init and snake_case"),
    ],
)
def test_markdown_marks_are_not_read_aloud(written: str, said: str) -> None:
    assert clean(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<p>Hello <b>you</b><br/>there</p><p>next</p>", "Hello you\nthere\nnext"),
        ('<a href="https://example.com/x?y=1">label</a>', "label"),
        ("<!-- hidden -->seen", "seen"),
        ('<speak>one<break time="1s"/>two</speak>', "onetwo"),
        ("salt &amp; pepper &#8364;5 &eacute;&nbsp;x", "salt & pepper €5 é x"),
        ("&#99999999999999999999; &bogus; AT&T", "&#99999999999999999999; &bogus; AT&T"),
    ],
)
def test_html_is_not_read_aloud(written: str, said: str) -> None:
    assert clean(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("See https://www.example.com/a/b?c=d#e.", "See example.com."),
        ("at www.example.org:8123/lovelace, please", "at example.org, please"),
        ("<https://example.com> and (http://x.de)", "example.com and (x.de)"),
        ("**https://example.com**", "example.com"),
        ("https://user:secret@host.de:8123/x?token=abc", "host.de"),
        ("http://[::1]:8123/ up", "up"),
        ("看https://a.com谢谢", "看a.com谢谢"),
        ("https://", ""),
    ],
)
def test_a_link_is_only_its_host(written: str, said: str) -> None:
    assert clean(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Dinner 🍝 is ready!", "Dinner is ready!"),
        ("family 👨‍👩‍👧‍👦 home", "family home"),
        ("thumbs 👍🏽 up ❤️", "thumbs up"),
        ("from 🇩🇪 and 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "from and"),
        ("press 1️⃣ or #️⃣", "press 1 or #"),
        ("✅ Done\n❌ Failed", "Done\nFailed"),
        ("\U0001fae8 shaking", "shaking"),
        ("21 °C, 5 ℃, №5", "21 °C, 5 °C, №5"),
    ],
)
def test_emoji_are_dropped_and_their_digits_stay(written: str, said: str) -> None:
    assert clean(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("zero\u200bwidth\u200d and \ufeffmark", "zerowidth and mark"),
        ("\u202eright to left\u202c \u2066iso\u2069", "right to left iso"),
        ("soft\u00adhyphen", "softhyphen"),
        ("be\x00ll\x07 es\x1bcape", "bell escape"),
        ("private \ue000\U000f0000 use", "private use"),
        ("lone \ud800 and \udfff", "lone and"),
        ("pair \ud83d\ude00 and \ud835\udc00", "pair and A"),
        ("cafe\u0301", "café"),
        ("Ｈｅｌｌｏ　１２", "Hello 12"),
        ("𝐁𝐨𝐥𝐝 𝟙", "Bold 1"),
        ("vari\ufe0fation", "variation"),
    ],
)
def test_invisible_and_dressed_up_characters_are_normalised(written: str, said: str) -> None:
    assert clean(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("  two   spaces\tand\u00a0more  ", "two spaces and more"),
        ("the door is\nstill open", "the door is still open"),
        ("one\n\ntwo\n \t\n\n three", "one\ntwo\nthree"),
        ("one\r\n\r\ntwo\r\nthree", "one\ntwo three"),
        ("one\u2029two\u2028three", "one\ntwo three"),
        ("\n\n", ""),
    ],
)
def test_only_paragraphs_break_lines(written: str, said: str) -> None:
    assert clean(written) == said


@pytest.mark.parametrize(
    "text", ["", " ", "😀👍", "...", "?!", "—", "**", "---", "🇩🇪", "°", "https://"]
)
def test_what_has_no_letter_or_digit_has_no_words(text: str) -> None:
    assert not has_words(clean(text))


@pytest.mark.parametrize("text", ["OK", "7", "好", "да", "ね", "1️⃣", "é", "٣", "{{crash}}"])
def test_a_letter_or_digit_of_any_script_is_a_word(text: str) -> None:
    assert has_words(clean(text))


@given(st.text(st.characters(), max_size=200))
def test_any_text_comes_out_speakable(text: str) -> None:
    said = clean(text)
    said.encode()
    assert unicodedata.is_normalized("NFC", said)
    assert not {unicodedata.category(c) for c in said if c != "\n"} & {"Cc", "Cf", "Cs", "Co", "Cn"}
    assert all(line == " ".join(line.split()) and line for line in said.splitlines())


@given(st.text("*_`~#[]()<>&!|-: \n\\.ab1", max_size=60))
def test_markup_never_eats_or_doubles_what_is_between(text: str) -> None:
    """Outside links and tags, letters and digits all stay."""
    if not set("[<&") & set(text):
        kept = [c for c in text if c.isalnum()]
        fences = any(line.strip().startswith(("```", "~~~")) for line in text.splitlines())
        assert fences or [c for c in clean(text) if c.isalnum()] == kept


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is \u22123 °C.", "It is -3 °C."),
        ("It is \u20133 °C.", "It is -3 °C."),
        ("3\u20135 mm of rain", "3\u20135 mm of rain"),
        ("now \u2013 at last", "now \u2013 at last"),
        ("37.8℃ or 100℉", "37.8 °C or 100 °F"),
    ],
)
def test_frost_and_fever_keep_their_sign_and_unit(written: str, spoken: str) -> None:
    assert clean(written) == spoken


def test_a_bar_that_spells_nothing_out_is_not_said() -> None:
    assert clean("a|b <c|> |d|") == "a b <c > d"
