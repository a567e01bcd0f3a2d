"""A document in YAML: its keys and values, where each stands, and in words what is wrong with it.

Whatever somebody sends is refused or read within bounds: no alias stands for a thousand values, and
no key is given twice.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
import stat
from textwrap import shorten
from typing import Any, NoReturn, TypeVar

import voluptuous as vol
import yaml

from indextts_daemon.errors import Problem, SettingsError

T = TypeVar("T")
MOST_BYTES = 64 * 1024
_MOST_NODES = 20_000  # aliases counted as often as they are used
_MOST_LEVELS = 16
_LONGEST_KEY = 128
_NAMED_LEVELS = 4  # whose lines are told
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a key was written: begins the sentence about it."""

    words: str
    line: int | None = None

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a text holds; `origins` by dotted key, "" standing for what is not found there."""

    tree: dict[str, Any]
    origins: dict[str, Origin]


def read_text(file: Path, *, name: str | None = None, most_bytes: int = MOST_BYTES) -> str:
    """Return what is written in a file, which the words call `name`. Raises SettingsError."""
    name = file.name if name is None else name
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            _refuse(f"{name} is not a file.")
        with file.open("rb") as opened:
            content = opened.read(most_bytes + 1)
    except OSError as err:
        raise SettingsError(f"{name} cannot be read ({err.strerror}).") from err
    return decoded(content, name=name, most_bytes=most_bytes)


def decoded(content: bytes, *, name: str, most_bytes: int = MOST_BYTES) -> str:
    """Return bytes as text, to the last of its characters. Raises SettingsError."""
    _require_size(len(content), name, most_bytes)
    try:
        return content.decode()
    except UnicodeDecodeError as err:
        raise SettingsError(f"{name} is not UTF-8 text.") from err


def parse(
    text: str, *, name: str, most_bytes: int = MOST_BYTES, example: str = "engine: auto"
) -> Document:
    """Read a text, which the words call `name`. Raises SettingsError."""
    _require_size(len(text.encode("utf-8", "surrogatepass")), name, most_bytes)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        origins = {"": Origin(words=f"{name}, ")}
        if node is not None:
            survey = _Survey(name)
            survey.walk(node)
            origins |= survey.origins
        tree = None if node is None else loader.construct_document(node)
    except RecursionError as err:
        raise SettingsError(f"{name} is nested too deeply.") from err
    except yaml.YAMLError as err:
        raise _unreadable(err, text, name) from err
    if tree is not None and not isinstance(tree, dict):
        _refuse(f"{name}, line 1: expected keys and values, such as `{example}`.", line=1)
    return Document(tree=tree or {}, origins=origins)


def read_tree(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a YAML file's keys and values, and where each dotted key stands, in words.

    Raises SettingsError.
    """
    document = parse(read_text(file, name=str(file)), name=str(file))
    return document.tree, {key: origin.words for key, origin in document.origins.items()}


def explained(refusal: vol.MultipleInvalid, origins: Mapping[str, object]) -> str:
    """Say what a schema has against a tree, and where; `origins` are those of the document."""
    return " ".join(_sentence(error, origins) for error in refusal.errors)


def problems(refusal: vol.MultipleInvalid, origins: Mapping[str, Origin]) -> tuple[Problem, ...]:
    """Return what a schema has against a document, one by one, but no more than a few."""
    told = [
        Problem(
            message=_sentence(error, origins),
            path=".".join(_keys(error)),
            line=_origin(error, origins).line,
        )
        for error in refusal.errors[:_MOST_PROBLEMS]
    ]
    if more := len(refusal.errors) - len(told):
        told.append(Problem(message=f"There is more of the kind: {more}."))
    return tuple(told)


def refused(found: Iterable[Problem], *, code: str | None = None) -> SettingsError:
    """Make one error of all problems."""
    kept = tuple(found)
    return SettingsError(" ".join(one.message for one in kept), code=code, problems=kept)


class _Loader(yaml.SafeLoader):
    """Names the line of a value that cannot be read, such as the 99th of a month."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as err:
            raise yaml.constructor.ConstructorError(
                problem="a value that cannot be read", problem_mark=node.start_mark
            ) from err


class _Survey:
    """A walk over a text's nodes, before anything is made of them."""

    def __init__(self, name: str) -> None:
        self.origins: dict[str, Origin] = {}
        self._name = name
        self._left = _MOST_NODES

    def walk(self, node: yaml.Node, above: str = "", level: int = 0) -> None:
        """Note where each key stands. Raises SettingsError."""
        self._left -= 1
        line = node.start_mark.line + 1
        if self._left < 0:
            self._refuse(line, "it holds too much; an alias counts as what it stands for.")
        if level > _MOST_LEVELS:
            self._refuse(line, "it is nested too deeply.")
        for path, line, below in self._below(node, above):
            if level < _NAMED_LEVELS:
                self.origins.setdefault(path, Origin(words=self._at(line), line=line))
            self.walk(below, f"{path}.", level + 1)

    def _below(self, node: yaml.Node, above: str) -> Iterator[tuple[str, int, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            yield from self._keys(node, above)
        elif isinstance(node, yaml.SequenceNode):
            for number, below in enumerate(node.value):
                yield f"{above}{number}", below.start_mark.line + 1, below

    def _keys(self, node: yaml.MappingNode, above: str) -> Iterator[tuple[str, int, yaml.Node]]:
        seen: dict[str, int] = {}
        for key, below in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._refuse(line, "expected a name before the colon.")
            if len(key.value) > _LONGEST_KEY:
                self._refuse(line, "no name is that long.")
            path = f"{above}{key.value}"
            if key.value in seen:
                self._refuse(line, f"line {seen[key.value]} sets it too.", path)
            seen[key.value] = line
            yield path, line, below

    def _at(self, line: int) -> str:
        return f"{self._name}, line {line}, "

    def _refuse(self, line: int, words: str, path: str = "") -> NoReturn:
        where = self._at(line) + path if path else f"{self._name}, line {line}"
        _refuse(f"{where}: {words}", path=path, line=line)


_IN_WORDS = {
    "extra keys not allowed": "there is no such setting",
    "expected str": "expected text; put quotes around it",
    "expected bool": "expected true or false",
    "expected int": "expected a whole number",
    "expected float": "expected a number",
    "expected a dictionary": "expected settings below it, each on a line of its own",
}


_YAML_IN_WORDS = {  # what it says, and what we say instead
    "'\\t'": "there is a tab; indent with spaces",
    "<stream end>": "something is missing, such as a bracket",
    "unexpected end of stream": "a quote is not closed",
    "mapping values are not allowed": "a colon cannot be here; look at how far the lines around it "
    "are indented, and put quotes around a text with a colon",
    "could not determine a constructor": "a word with an exclamation mark means nothing here",
}


def _sentence(error: vol.Invalid, origins: Mapping[str, object]) -> str:
    key = ".".join(_keys(error))
    return f"{_origin(error, origins)}{key}: {_IN_WORDS.get(error.msg, error.msg)}."


def _keys(error: vol.Invalid) -> list[str]:
    return [_shown(part) for part in error.path]


def _shown(key: object) -> str:
    try:
        return str(key)
    except ValueError:  # more digits than Python prints
        return "a number"


def _origin(error: vol.Invalid, origins: Mapping[str, T]) -> T:
    """Return the origin of the key, or of the nearest one above it that has one."""
    keys = _keys(error)
    paths = (".".join(keys[:count]) for count in range(len(keys), -1, -1))
    return next(origins[path] for path in paths if path in origins)


def _unreadable(err: yaml.YAMLError, text: str, name: str) -> SettingsError:
    """Say in words where a text is no YAML."""
    if isinstance(err, yaml.reader.ReaderError):
        line: int | None = text.count("\n", 0, err.position) + 1
        words = "there is a character that no text has; type the line again"
    else:
        mark = getattr(err, "problem_mark", None)
        last = max(1, len(text.splitlines()))  # its marks may stand below that
        line = min(mark.line + 1, last) if mark else None
        said = getattr(err, "problem", None) or "it is not YAML"
        ours = (words for quoted, words in _YAML_IN_WORDS.items() if quoted in said)
        words = next(ours, shorten(said, _LONGEST_KEY))
    where = name if line is None else f"{name}, line {line}"
    return refused([Problem(message=f"{where}: {words}.", line=line)])


def _require_size(size: int, name: str, most_bytes: int) -> None:
    if size > most_bytes:
        _refuse(f"{name} is larger than {most_bytes // 1024} KiB.")


def _refuse(message: str, *, path: str = "", line: int | None = None) -> NoReturn:
    raise refused([Problem(message=message, path=path, line=line)])
