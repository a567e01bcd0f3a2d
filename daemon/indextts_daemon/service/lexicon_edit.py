"""Puts one rule into a lexicon as it is written down; comments and everything else stay."""

from collections.abc import Mapping

import yaml

from indextts_daemon.errors import SettingsError
from indextts_daemon.text.lexicon import Rule

from .lexicon import NAME, read_lexicon, what_for


def with_rule(document: str, fields: Mapping[str, object]) -> str:
    """Return the document with a rule of these fields, in the place of one for the same.

    Raises SettingsError where the document or the rule is no good, or is written in a way that
    this cannot change.
    """
    before = read_lexicon(document).rules
    item = yaml.safe_dump(
        dict(fields), default_flow_style=True, width=float("inf"), allow_unicode=True,
        sort_keys=False,
    ).strip()  # fmt: skip
    [rule] = read_lexicon(f"rules:\n- {item}\n").rules
    place = next((n for n, old in enumerate(before) if what_for(old) == what_for(rule)), None)
    changed = _changed(document, item, place)
    if sorted(map(repr, read_lexicon(changed).rules)) != _expected(before, rule, place):
        raise SettingsError(f"{NAME} is written in a way that only you can change. Add: - {item}")
    return changed


def _expected(before: tuple[Rule, ...], rule: Rule, place: int | None) -> list[str]:
    kept = [old for number, old in enumerate(before) if number != place]
    return sorted(map(repr, [*kept, rule]))


def _changed(document: str, item: str, place: int | None) -> str:
    """Write the item over the one at a place, or as another one."""
    top = yaml.compose(document, Loader=yaml.SafeLoader)  # it was read before, within bounds
    pairs = top.value if isinstance(top, yaml.MappingNode) else []
    found = next(((key, value) for key, value in pairs if key.value == "rules"), None)
    if found is None:
        return f"{_ended(document)}rules:\n- {item}\n"
    key, rules = found
    if not rules.value or not isinstance(rules, yaml.SequenceNode):
        line = _line_end(document, key.end_mark.index)
        head = document[: key.end_mark.index] + ":"
        return f"{head}\n- {item}\n{document[line:]}"
    if place is not None:
        old = rules.value[place]
        start, end = old.start_mark.index, _end(old)
        rest = "\n" if document[:end].endswith("\n") else ""
        return f"{document[:start]}{item}{rest}{document[end:]}"
    if rules.flow_style:
        start = rules.start_mark.index + 1
        return f"{document[:start]}{item}, {document[start:]}"
    line = _line_end(document, _end(rules.value[-1]) - 1)
    indent = " " * rules.start_mark.column
    return f"{_ended(document[:line])}{indent}- {item}\n{document[line:]}"


def _end(node: yaml.Node) -> int:
    """Return where the last thing that is written of a node ends; comments come behind it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _line_end(document: str, place: int) -> int:
    """Return where the line after that of a place begins."""
    end = document.find("\n", place)
    return len(document) if end < 0 else end + 1


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
