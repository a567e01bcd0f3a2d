"""What is said of a recording: as a client states it, and as it lies beside the sound."""

from datetime import date
from pathlib import Path

import pytest

from indextts_daemon.errors import InvalidRequestError, SettingsError
from indextts_daemon.service.recordings import look
from indextts_daemon.service.sidecars import Stated, written

TODAY = date(2026, 5, 3)
SAID = Stated.of(consent=" Lena said yes. ", name="Lena", languages="en, zh")


def recorded(folder: Path, sidecar: bytes | None) -> Path:
    (folder / "lena.wav").write_text("sound")
    if sidecar is not None:
        (folder / "lena.yaml").write_bytes(sidecar)
    return folder


def test_what_is_stated_is_read_again(tmp_path: Path) -> None:
    recorded(tmp_path, written(tmp_path, "lena", SAID, today=TODAY))
    shelf = look(tmp_path)
    lena = shelf.kept[0].recording
    assert (lena.name, lena.languages) == ("Lena", ("en", "zh"))
    assert lena.consent == "Lena said yes. (noted on 2026-05-03)"
    assert not shelf.problems


@pytest.mark.parametrize("consent", ["yes", "true", "# no", "a: b", "'", '"\\', "ja\nund ja", "☺"])
def test_any_words_can_be_a_consent(tmp_path: Path, consent: str) -> None:
    stated = Stated.of(consent=consent, name=None, languages=None)
    recorded(tmp_path, written(tmp_path, "lena", stated, today=TODAY))
    assert look(tmp_path).kept[0].recording.consent == f"{consent} (noted on 2026-05-03)"


def test_what_is_not_stated_anew_stays(tmp_path: Path) -> None:
    recorded(tmp_path, b"name: Lena\nlanguages: [en]\nmoods: {sad: lena}\nconsent: old\n")
    stated = Stated.of(consent="new", name=None, languages="")
    recorded(tmp_path, written(tmp_path, "lena", stated, today=TODAY))
    lena = look(tmp_path).kept[0].recording
    assert (lena.name, lena.languages, lena.moods) == ("Lena", (), (("sad", "lena"),))
    assert lena.consent == "new (noted on 2026-05-03)"


def test_a_sidecar_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    recorded(tmp_path, b"name: [\n")
    with pytest.raises(SettingsError, match=r"lena\.yaml, line"):
        written(tmp_path, "lena", SAID, today=TODAY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("consent", ""),
        ("consent", " \n"),
        ("consent", "x" * 1001),
        ("name", ""),
        ("name", "x" * 81),
        ("name", "two\nlines"),
        ("languages", "english"),
        ("languages", "en;de"),
        ("languages", "en," * 40 + "en"),
    ],
)
def test_what_cannot_be_stated_is_named(field: str, value: str) -> None:
    said = {"consent": "yes", "name": None, "languages": None} | {field: value}
    with pytest.raises(InvalidRequestError) as caught:
        Stated.of(**said)  # type: ignore[arg-type]
    assert caught.value.param == field
