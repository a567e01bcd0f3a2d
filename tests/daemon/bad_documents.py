"""Documents that somebody may write by mistake or on purpose, and that must change nothing."""

BROKEN_YAML = (
    ("not closed", "rules: [\n"),
    ("a tab", "rules:\n\t- from: a\n"),
    ("a control character", "rules: \x01\n"),
    ("a bad escape", 'calm: "\\q"\n'),
    ("an unknown anchor", "calm: *nobody\n"),
    ("two documents", "---\ncalm: {}\n---\ncalm: {}\n"),
    ("a tag of Python", "calm: !!python/object/apply:os.getcwd []\n"),
    ("only a word", "calm\n"),
    ("a list", "- calm\n"),
    ("a key twice", "calm: {speed: 1}\ncalm: {speed: 1.1}\n"),
    ("nested deeply", "calm: " + "[" * 400 + "]" * 400 + "\n"),
    ("an alias bomb", "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{next_}: &{next_} [{', '.join([f'*{last}'] * 9)}]\n"
        for last, next_ in zip("abcdefgh", "bcdefghi", strict=True)
    )),
    ("a merge bomb", "a: &a {x: 1}\n" + "".join(
        f"{next_}: &{next_} {{<<: [{', '.join([f'*{last}'] * 9)}]}}\n"
        for last, next_ in zip("abcdefgh", "bcdefghi", strict=True)
    )),
    ("an impossible date", "calm: 2026-02-30\n"),
    ("a name that is a list", "? [a]\n: {}\n"),
)  # fmt: skip


def _rules(*rules: str) -> str:
    return "rules:\n" + "".join(f"- {rule}\n" for rule in rules)


GOOD_RULE = "{from: Saoirse, say: Somebody else}"
BAD_LEXICONS: tuple[tuple[str, str], ...] = (
    *BROKEN_YAML,
    ("a misspelt top", f"rulez:\n- {GOOD_RULE}\n"),
    ("a rule that is a word", _rules(GOOD_RULE, "Saoirse")),
    ("rules that are no list", "rules: {Saoirse: Seersha}\n"),
    ("rules that are false", "rules: false\n"),
    ("an empty rule", _rules(GOOD_RULE, "{}")),
    ("a misspelt key", _rules(GOOD_RULE, "{from: a, says: b}")),
    ("nothing to say", _rules(GOOD_RULE, "{from: a}")),
    ("a word and a pattern", _rules(GOOD_RULE, "{from: a, pattern: b, say: c}")),
    ("a word that YAML takes for false", _rules(GOOD_RULE, "{from: no, say: c}")),
    ("a number for a word", _rules(GOOD_RULE, "{from: a, say: 5}")),
    ("a word of nothing", _rules(GOOD_RULE, "{from: '  ', say: c}")),
    ("a word of marks that nobody says", _rules(GOOD_RULE, "{from: 😀, say: c}")),
    ("a word with brackets", _rules(GOOD_RULE, "{from: '<a', say: c}")),
    ("a word that is too long", _rules(GOOD_RULE, f"{{from: {'a' * 201}, say: c}}")),
    ("something long to say", _rules(GOOD_RULE, f"{{from: a, say: {'c' * 201}}}")),
    ("a line break to say", _rules(GOOD_RULE, '{from: a, say: "c\\nd"}')),
    ("a private character to say", _rules(GOOD_RULE, '{from: a, say: "\\U000F0000"}')),
    ("a notation that nobody knows", _rules(GOOD_RULE, "{from: a, phonemes: {ipa: a}}")),
    ("a phone that nobody knows", _rules(GOOD_RULE, "{from: a, phonemes: {cmu: QQ1}}")),
    ("a phone without its stress", _rules(GOOD_RULE, "{from: a, phonemes: {cmu: L AY V}}")),
    ("a syllable without its tone", _rules(GOOD_RULE, "{from: 重, phonemes: {pinyin: CHONG}}")),
    ("a syllable that is none", _rules(GOOD_RULE, "{from: 重, phonemes: {pinyin: ZORK1}}")),
    ("pinyin for Latin letters", _rules(GOOD_RULE, "{from: a, phonemes: {pinyin: MA1}}")),
    ("kana that are none", _rules(GOOD_RULE, "{from: 東, phonemes: {kana: higashi}}")),
    ("no phonemes at all", _rules(GOOD_RULE, "{from: a, phonemes: {}}")),
    ("a pattern that is not closed", _rules(GOOD_RULE, "{pattern: '(', say: c}")),
    ("a pattern that looks ahead", _rules(GOOD_RULE, "{pattern: '(?=a)', say: c}")),
    ("a pattern that refers back", _rules(GOOD_RULE, "{pattern: '(a)\\1', say: c}")),
    ("a pattern that needs much memory", _rules(GOOD_RULE, "{pattern: '\\pL{500}', say: c}")),
    ("a pattern that finds nothing", _rules(GOOD_RULE, "{pattern: 'a*', say: c}")),
    ("a pattern without its group", _rules(GOOD_RULE, "{pattern: a, say: '\\1'}")),
    ("a pattern with phonemes", _rules(GOOD_RULE, "{pattern: a, say: b, phonemes: {cmu: L}}")),
    ("a language that is none", _rules(GOOD_RULE, "{from: a, say: b, languages: [d]}")),
    ("no language", _rules(GOOD_RULE, "{from: a, say: b, languages: []}")),
    ("a language that YAML takes for false", _rules(GOOD_RULE, "{from: a, say: b, languages: no}")),
    ("a voice that is none", _rules(GOOD_RULE, "{from: a, say: b, voices: [Lena B.]}")),
    ("a rule twice", _rules(GOOD_RULE, "{from: a, say: b}", "{from: A, say: c}")),
    ("a rule too many", _rules(*(f"{{from: a{number}, say: b}}" for number in range(1001)))),
    ("a document too large", "# " + "x" * 512 * 1024),
)

BAD_MOODS: tuple[tuple[str, str], ...] = (
    *BROKEN_YAML,
    ("a name with capitals", "Calm: {speed: 0.5}\n"),
    ("a name with spaces", "good night: {speed: 0.5}\n"),
    ("a name that YAML takes for true", "calm: {speed: 0.5}\non: {speed: 1.1}\n"),
    ("a name that is a number", "calm: {speed: 0.5}\n1: {}\n"),
    ("a number for a mood", "calm: 5\n"),
    ("a list for a mood", "calm: [happy]\n"),
    ("a misspelt key", "calm: {sped: 1}\n"),
    ("a misspelt feeling", "calm: {emotion: {hapy: 1}}\n"),
    ("a feeling over one", "calm: {emotion: {happy: 1.1}}\n"),
    ("a feeling below nothing", "calm: {emotion: {happy: -0.1}}\n"),
    ("a feeling that is true", "calm: {emotion: {happy: true}}\n"),
    ("a feeling in words", "calm: {emotion: {happy: very}}\n"),
    ("a feeling that is no number", "calm: {emotion: {happy: .nan}}\n"),
    ("a speed for nobody", "calm: {speed: 9}\n"),
    ("an endless speed", "calm: {speed: .inf}\n"),
    ("a strength over two", "calm: {strength: 2.5}\n"),
    ("a good one beside a bad one", "calm: {speed: 0.5}\nparty: {speed: 9}\n"),
    ("a document too large", "# " + "x" * 64 * 1024),
)
