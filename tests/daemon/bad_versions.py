"""Versions of the fake model that are no good: each is a name and what writes its folder."""

from collections.abc import Callable
import os
from pathlib import Path

Maker = Callable[[Path], object]


def _says(text: str) -> Maker:
    return lambda folder: (folder / "fake.yaml").write_text(text)


def _link_out(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.yaml"
    elsewhere.write_text("generation: 9\n")
    (folder / "fake.yaml").symlink_to(elsewhere)


def _pickle(folder: Path) -> None:
    (folder / "config.yaml").write_text("version: 2.0\n")
    (folder / "gpt.pth").write_bytes(
        b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85R."
    )


def _half_copied(folder: Path) -> None:
    (folder / "manifest.json.part").write_text("{")
    (folder / "gpt.safetensors").write_bytes(b"\x10" + bytes(7) + b'{"a":')


BAD_VERSIONS: tuple[tuple[str, Maker], ...] = (
    ("an empty folder", lambda _: None),
    ("half of a copy", _half_copied),
    ("a pickle", _pickle),
    ("options that were not written yet", _says("")),
    ("options that are cut off", _says("voices: {attic: 1")),
    ("options that are a list", _says("- generation\n")),
    ("options that are a Python object", _says("!!python/object/apply:os.getcwd []\n")),
    ("options without end", _says("# " + "x" * (1 << 16) + "\n")),
    ("options that are a folder", lambda folder: (folder / "fake.yaml").mkdir()),
    ("a link out of the folder", _link_out),
    ("a link to nothing", lambda folder: (folder / "fake.yaml").symlink_to("nowhere")),
    ("a link to itself", lambda folder: (folder / "fake.yaml").symlink_to("fake.yaml")),
    ("a pipe", lambda folder: os.mkfifo(folder / "fake.yaml")),
    ("a misspelt key", _says("generatoin: 2\n")),
    ("a word for a number", _says("generation: two\n")),
    ("no language at all", _says("languages: []\n")),
    ("one that does not load", _says("load: fail\n")),
    ("one that finds too little memory", _says("load: oom\n")),
    ("one that dies while it loads", _says("load: crash\n")),
    ("one that never ends loading", _says("load: hang\n")),
    ("one that says nothing", _says("sound: silent\n")),
    ("one that only clips", _says("sound: clipped\n")),
    ("one that never ends speaking", _says("sound: endless\n")),
    ("one whose samples are no numbers", _says("sound: nan\n")),
    ("one that dies of its second sentence", _says("dies_after: 0\n")),
)
