"""The lexicon as the household writes it down: `lexicon.yaml`, read whole or not at all."""

from collections.abc import Iterator, Mapping
from typing import Any
import unicodedata

import voluptuous as vol

from indextts_daemon.config import VOICE_ID, Document, parse, problems, refused
from indextts_daemon.errors import Problem
from indextts_daemon.text.cleaning import clean
from indextts_daemon.text.lexicon import LONGEST, Lexicon, Pattern, Rule, folded, keeps_case

from .sounds import LONGEST_SOUND, NOTATIONS

NAME = "lexicon.yaml"
MOST_BYTES = 512 * 1024
MOST_RULES = 1000
_MOST_NAMES = 64  # of languages or voices in one rule


def _text(value: Any) -> str:
    """Accept a line of text."""
    if not isinstance(value, str):
        raise vol.Invalid("expected text; put quotes around it")
    text = unicodedata.normalize("NFC", value)
    if len(text) > LONGEST:
        raise vol.Invalid(f"expected at most {LONGEST} characters")
    if not text.isprintable():
        raise vol.Invalid("expected one line of plain characters")
    return text


def _words(value: Any) -> str:
    """Accept what can be found in a text, as it stands in one that is clean."""
    words = _text(clean(value) if isinstance(value, str) else value)
    if not words:
        raise vol.Invalid("expected a word; this is nothing that is read aloud")
    if set(words) & set("<|>"):
        raise vol.Invalid("a word cannot hold <, | or >")
    return words


def _pattern(value: Any) -> str:
    if not (pattern := _text(value)):
        raise vol.Invalid("expected a pattern")
    return pattern


def _phonemes(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not value:
        raise vol.Invalid(f"expected a sound below {', '.join(NOTATIONS)}")
    for notation, sound in value.items():
        if notation not in NOTATIONS:
            raise vol.Invalid(f"expected one of {', '.join(NOTATIONS)}", path=[notation])
        if not isinstance(sound, str) or not 0 < len(sound) <= LONGEST_SOUND:
            words = f"expected 1 to {LONGEST_SOUND} characters"
            raise vol.Invalid(words, path=[notation])
        if wrong := NOTATIONS[notation](sound):
            raise vol.Invalid(wrong, path=[notation])
    return tuple(value.items())


def _names(value: Any, one: Any) -> tuple[str, ...]:
    """Accept a name or a list of them."""
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not 0 < len(named) <= _MOST_NAMES:
        words = f"expected a name or a list of at most {_MOST_NAMES}; put quotes around `no`"
        raise vol.Invalid(words)
    return tuple(dict.fromkeys(map(one, named)))


_tag = vol.All(
    str,
    vol.Match(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*\Z", msg="expected a language such as de-AT"),
    lambda tag: tag.lower().replace("_", "-"),
)
_voice = vol.All(str, vol.Match(rf"{VOICE_ID.pattern}\Z", msg="expected the id of a voice"))
_RULE = vol.Schema(
    {
        "from": _words,
        "pattern": _pattern,
        "say": _text,
        "phonemes": _phonemes,
        "languages": lambda value: _names(value, vol.Schema(_tag)),
        "voices": lambda value: _names(value, vol.Schema(_voice)),
    }
)


def _rule(value: Any) -> Rule:
    """Accept a rule of either kind."""
    if not isinstance(value, dict):
        raise vol.Invalid("expected a rule, such as {from: Saoirse, say: Seersha}")
    said = _RULE(value)
    if ("from" in said) == ("pattern" in said):
        raise vol.Invalid("expected either `from` or `pattern`")
    is_pattern = "pattern" in said
    if is_pattern and ("phonemes" in said or "say" not in said):
        raise vol.Invalid("a pattern needs `say`, and takes no `phonemes`")
    if not ("say" in said or "phonemes" in said):
        raise vol.Invalid("expected `say` or `phonemes`")
    rule = Rule(
        source=said["pattern" if is_pattern else "from"],
        is_pattern=is_pattern,
        say=said.get("say"),
        phonemes=said.get("phonemes", ()),
        languages=said.get("languages", ()),
        voices=said.get("voices", ()),
    )
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    """Raise Invalid where the parts of a rule do not fit each other."""
    if rule.is_pattern:
        try:
            Pattern(rule)
        except ValueError as err:
            raise vol.Invalid(str(err), path=["pattern"]) from err
    if rule.phonemes and len(rule.source) > LONGEST_SOUND:
        words = f"expected at most {LONGEST_SOUND} characters beside `phonemes`"
        raise vol.Invalid(words, path=["from"])
    if "pinyin" in dict(rule.phonemes) and rule.source.isascii():
        raise vol.Invalid("pinyin is for a word in Chinese characters", path=["phonemes", "pinyin"])


def _rules(value: Any) -> tuple[Rule, ...]:
    """Accept a list of rules, or nothing; all below it may be commented out."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise vol.Invalid("expected a list of rules, each behind a dash")
    if len(value) > MOST_RULES:
        raise vol.Invalid(f"expected at most {MOST_RULES} rules")
    rules, errors = [], []
    for number, said in enumerate(value):
        try:
            rules.append(_rule(said))
        except vol.Invalid as err:
            err.prepend([number])
            errors += err.errors if isinstance(err, vol.MultipleInvalid) else [err]
    if errors:
        raise vol.MultipleInvalid(errors)
    return tuple(rules)


_SCHEMA = vol.Schema({vol.Optional("rules", default=None): _rules})


def read_lexicon(text: str) -> Lexicon:
    """Return the lexicon that is written down. Raises SettingsError with all that is wrong."""
    document = parse(text, name=NAME, most_bytes=MOST_BYTES, example="rules:")
    try:
        rules = _SCHEMA(document.tree)["rules"]
    except vol.MultipleInvalid as err:
        raise refused(problems(err, document.origins)) from err
    if repeated := tuple(_repeated(rules, document)):
        raise refused(repeated)
    return Lexicon.of(rules)


def _repeated(rules: tuple[Rule, ...], document: Document) -> Iterator[Problem]:
    """Name the rules that could never be reached."""
    seen: dict[object, int] = {}
    for number, rule in enumerate(rules):
        key = what_for(rule)
        if key in seen:
            path, first = f"rules.{number}", document.origins[f"rules.{seen[key]}"]
            here = document.origins[path]
            yield Problem(
                message=f"{here}{path}: line {first.line} has a rule for the same already.",
                path=path,
                line=here.line,
            )
        seen.setdefault(key, number)


def what_for(rule: Rule) -> object:
    """Return what two rules have in common of which one could never be reached."""
    target = rule.source if rule.is_pattern or keeps_case(rule.source) else folded(rule.source)
    return rule.is_pattern, target, frozenset(rule.languages), frozenset(rule.voices)


def shape(rule: Rule) -> Mapping[str, object]:
    """Return a rule as plain JSON, in the words of the document."""
    return {
        "pattern" if rule.is_pattern else "from": rule.source,
        "say": rule.say,
        "phonemes": dict(rule.phonemes),
        "languages": rule.languages,
        "voices": rule.voices,
    }
