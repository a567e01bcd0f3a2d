"""A preview: what a model would be given, without any model."""

from indextts_daemon.service.preview import preview
from indextts_daemon.text.lexicon import Lexicon, Rule

LEXICON = Lexicon.of(
    [
        Rule(source="Saoirse", say="Seersha"),
        Rule(source="live", phonemes=(("cmu", "L AY1 V"),), say="lyve"),
        Rule(source=r"(\d+)b\b", say=r"apartment \1", is_pattern=True, voices=("heart",)),
    ]
)


def test_sentences_are_shown_as_they_are_read_aloud() -> None:
    shown = preview(
        "**Saoirse** lives at 5b. It is 6:45!", LEXICON, language="en", voice="heart", spells_out=()
    )
    assert shown.sentences == ("Seersha lives at apartment five.", "It is six forty five!")
    assert shown.hits == ("Saoirse", r"(\d+)b\b")


def test_a_sound_is_spelled_out_for_a_model_that_understands_it() -> None:
    for spells_out, said in {("cmu",): "<Live|L AY1 V>!", (): "lyve!"}.items():
        shown = preview("Live!", LEXICON, language="en", voice="", spells_out=spells_out)
        assert (shown.sentences, shown.hits) == ((said,), ("live",))


def test_what_is_spelled_out_in_the_text_is_a_word_to_other_models() -> None:
    shown = preview("A <show|SH OW1>.", LEXICON, language="en", voice="", spells_out=())
    assert shown.sentences == ("A show.",)


def test_of_nothing_to_say_nothing_is_shown() -> None:
    assert preview("😀", LEXICON, language="en", voice="", spells_out=()).sentences == ()
