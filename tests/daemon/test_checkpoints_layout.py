"""A model is found by its files' names, wherever a download put them, within its folder."""

from collections.abc import Callable
from dataclasses import replace
import hashlib
import os
from pathlib import Path
import shutil

import pytest

from indextts_daemon.checkpoints import layout, manifest
from indextts_daemon.checkpoints.layout import (
    CONVERTED,
    DEPTH,
    FEELINGS,
    NAMES_OF,
    LayoutError,
    find,
    find_published,
)
from indextts_daemon.checkpoints.manifest import FileRecord
from tests.daemon.checkpoint_files import (
    ACOUSTIC,
    GPT_KEYS,
    QWEN,
    write_judge,
    write_published,
    write_safetensors,
    write_torch_file,
)
from tests.daemon.test_checkpoints_manifest import WHOLE

VERSIONS = sorted(NAMES_OF)


def hub_cache(folder: Path) -> None:
    """Put what is in `others` where the hub's cache keeps it: blobs, and links to them."""
    for file in [*(folder / "others").rglob("*.*")]:
        if not file.is_file():
            continue
        repository = folder / "hf_cache" / f"models--owner--{file.parent.name}"
        blob = repository / "blobs" / hashlib.sha256(str(file).encode()).hexdigest()
        link = repository / "snapshots" / "abc123" / file.parent.name / file.name
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        file.replace(blob)
        link.symlink_to(Path("../../../blobs") / blob.name)


def converted(folder: Path) -> Path:
    """Write a converted model of one stage."""
    folder.mkdir(parents=True, exist_ok=True)
    for record in WHOLE.files.values():
        (folder / record.name).write_bytes(bytes(record.bytes))
    manifest.write(folder, WHOLE)
    return folder


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("others", ["", "hf_cache", "deep/er/still"])
def test_a_download_is_found(tmp_path: Path, version: str, others: str) -> None:
    found = find(write_published(tmp_path, version, others=others))
    assert found.version == version
    assert not found.converted
    assert found.files.keys() == NAMES_OF[version].keys()
    assert all(path.is_file() for path in found.files.values())
    assert found.hyperparameters.gpt_heads == 20


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hubs_cache_is_found(tmp_path: Path, version: str) -> None:
    hub_cache(write_published(tmp_path, version, others="others"))
    found = find(tmp_path)
    assert found.files.keys() == NAMES_OF[version].keys()
    assert found.files["vocoder"].is_symlink()
    assert found.files["vocoder"].name == "bigvgan_generator.pt"


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_one_name_are_told_by_their_tensors(tmp_path: Path, version: str) -> None:
    write_published(tmp_path, version, others="a")
    write_safetensors(tmp_path / "model.safetensors", QWEN)
    write_safetensors(tmp_path / "acoustic_codec" / "model.safetensors", ACOUSTIC)
    (tmp_path / "broken.safetensors").write_bytes(b"broken")
    found = find(tmp_path)
    assert found.files["semantic_encoder"].parent.name == "w2v-bert-2.0"
    assert version == "2.5" or found.files["codec"].parent.name == "semantic_codec"


def test_what_judges_feelings_is_found_where_it_is_whole(tmp_path: Path) -> None:
    write_published(tmp_path, others="a")
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2-bert"}', "utf-8")
    folder = write_judge(tmp_path / "b" / "any name")
    found = find(tmp_path)
    assert {found.files[role].name for role in FEELINGS} == {*FEELINGS.values()}
    assert {found.files[role].parent.name for role in FEELINGS} == {"any name"}
    for name in FEELINGS.values():
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert not FEELINGS.keys() & find(tmp_path).files.keys()
        (folder / name).write_bytes(content)
    (folder / "config.json").write_text('{"model_type": "qwen2"}', "utf-8")
    assert not FEELINGS.keys() & find(tmp_path).files.keys()


def test_a_file_told_by_its_tensors_may_have_any_name(tmp_path: Path) -> None:
    write_published(tmp_path, "2", others="a")
    for file in list((tmp_path / "a").rglob("model.safetensors")):
        file.replace(tmp_path / f"{file.parent.name}_weights.safetensors")
    assert find(tmp_path).files["codec"].name == "semantic_codec_weights.safetensors"


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_missing_is_named_and_how_to_get_it(tmp_path: Path, version: str) -> None:
    for role, name in NAMES_OF[version].items():
        folder = tmp_path / role
        folder.mkdir()
        whole = find(write_published(folder, version))
        whole.files[role].unlink()
        with pytest.raises(LayoutError) as error:
            find(folder)
        assert error.value.error_code == "checkpoint_missing"
        assert name in error.value.message
        assert "indextts-daemon models download indextts-2" in error.value.message
        assert str(tmp_path) not in error.value.message


@pytest.mark.parametrize("there", [True, False])
def test_an_empty_folder_lacks_a_model(tmp_path: Path, *, there: bool) -> None:
    with pytest.raises(LayoutError, match=r"lacks gpt\.pth"):
        find(tmp_path if there else tmp_path / "nowhere")


def outside_file(file: Path, elsewhere: Path) -> None:
    file.replace(elsewhere / file.name)
    file.symlink_to(elsewhere / file.name)


def nowhere(file: Path, elsewhere: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent / "not-fetched-yet")


def circle(file: Path, elsewhere: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


@pytest.mark.parametrize("lead", [outside_file, nowhere, circle])
@pytest.mark.parametrize("name", ["gpt.pth", "feat1.pt", "some_words.tiktoken"])
def test_a_link_out_of_the_folder_or_nowhere_is_not_followed(
    tmp_path: Path, name: str, lead: Callable[[Path, Path], None]
) -> None:
    inside, elsewhere = tmp_path / "inside", tmp_path / "elsewhere"
    for folder in (inside, elsewhere):
        folder.mkdir()
    lead(write_published(inside) / name, elsewhere)
    with pytest.raises(LayoutError, match=rf"not followed: {name}\.$"):
        find(inside)


def test_a_linked_folder_is_not_entered(tmp_path: Path) -> None:
    write_published(tmp_path / "inside", others="../elsewhere")
    (tmp_path / "inside" / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LayoutError, match=r"lacks .*campplus_cn_common\.bin"):
        find(tmp_path / "inside")


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_published(tmp_path / "inside")
    (tmp_path / "linked").symlink_to(tmp_path / "inside")
    assert find(tmp_path / "linked").version == "2.5"


@pytest.mark.parametrize(("levels", "seen"), [(DEPTH, True), (DEPTH + 1, False)])
def test_the_search_has_a_bottom(tmp_path: Path, levels: int, *, seen: bool) -> None:
    write_published(tmp_path)
    bottom = tmp_path.joinpath(*"abcdefghijkl"[:levels])
    bottom.mkdir(parents=True)
    (tmp_path / "feat1.pt").replace(bottom / "feat1.pt")
    if seen:
        assert find(tmp_path).files["emotion_speakers"].parent == bottom
    else:
        with pytest.raises(LayoutError, match=r"feat1\.pt"):
            find(tmp_path)


def test_a_folder_of_everything_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST_FILES", 5)
    with pytest.raises(LayoutError, match="name the folder of one model"):
        find(write_published(tmp_path))


def test_of_two_versions_neither_is_guessed(tmp_path: Path) -> None:
    for version in VERSIONS:
        (tmp_path / version).mkdir()
        write_published(tmp_path / version, version)
    with pytest.raises(LayoutError, match="several models"):
        find(tmp_path)


def test_files_beside_the_gpt_come_first_then_the_newest(tmp_path: Path) -> None:
    snapshots = tmp_path / "models--IndexTeam--IndexTTS-2.5" / "snapshots"
    for age, revision in enumerate(("new", "old")):
        write_published(snapshots / revision)
        for file in snapshots.joinpath(revision).rglob("*.*"):
            os.utime(file, (1e9 - age, 1e9 - age), follow_symlinks=False)
    (tmp_path / "feat1.pt").touch()  # less deep, and newer
    assert {path.relative_to(snapshots).parts[0] for path in find(tmp_path).files.values()} == {
        "new"
    }


def test_a_configuration_is_not_asked_for_the_version(tmp_path: Path) -> None:
    assert "version: 2.0" in (write_published(tmp_path, "2.5") / "config.yaml").read_text("utf-8")
    assert find(tmp_path).version == "2.5"


@pytest.mark.parametrize(
    "keys",
    [["gpt.ln_f.weight"], ["conditioning_encoder.after_norm.weight"], []],
    ids=["another's", "IndexTTS 1", "nothing"],
)
def test_another_model_is_refused(tmp_path: Path, keys: list[str]) -> None:
    write_torch_file(write_published(tmp_path) / "gpt.pth", dict.fromkeys(keys, 1.0))
    with pytest.raises(LayoutError, match=r"^gpt\.pth is of neither") as error:
        find(tmp_path)
    assert error.value.error_code == "checkpoint_invalid"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrapped_or_prefixed_gpt_is_known(tmp_path: Path, version: str) -> None:
    tensors = {f"module.{key}": 1.0 for key in GPT_KEYS[version]}
    write_torch_file(write_published(tmp_path, version) / "gpt.pth", {"model": tensors})
    assert find(tmp_path).version == version


@pytest.mark.parametrize("name", ["gpt.pth", "config.yaml"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    (write_published(tmp_path) / name).write_bytes(b"{ nothing")
    with pytest.raises(LayoutError, match=rf"^{name} is damaged") as error:
        find(tmp_path)
    assert error.value.error_code == "checkpoint_invalid"


def test_a_file_that_may_not_be_read_is_an_answer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_published(tmp_path)

    def refuse(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(layout, "version_of", refuse)
    with pytest.raises(LayoutError, match=r"cannot be read \(Permission denied\)"):
        find(tmp_path)


@pytest.mark.parametrize("place", ["", CONVERTED])
def test_a_converted_model_comes_first(tmp_path: Path, place: str) -> None:
    write_published(tmp_path)
    converted(tmp_path / place)
    found = find(tmp_path)
    assert found.converted
    assert found.version == WHOLE.version
    assert found.files["gpt"] == tmp_path / place / "gpt.safetensors"
    assert not find_published(tmp_path).converted


def test_without_its_manifest_a_converted_model_is_none(tmp_path: Path) -> None:
    (converted(tmp_path / CONVERTED) / manifest.NAME).unlink()
    with pytest.raises(LayoutError, match=r"lacks gpt\.pth"):
        find(tmp_path)
    write_published(tmp_path)
    assert not find(tmp_path).converted


def test_what_is_converted_is_no_part_of_the_published(tmp_path: Path) -> None:
    write_published(tmp_path)
    (tmp_path / CONVERTED).mkdir()
    shutil.move(tmp_path / "some_words.tiktoken", tmp_path / CONVERTED)
    with pytest.raises(LayoutError, match="tiktoken"):
        find_published(tmp_path)


@pytest.mark.parametrize("record", WHOLE.files.values(), ids=WHOLE.files)
def test_a_converted_file_that_is_gone_or_cut_off_is_named(
    tmp_path: Path, record: FileRecord
) -> None:
    file = converted(tmp_path) / record.name
    file.write_bytes(bytes(record.bytes - 1))
    with pytest.raises(LayoutError, match=rf"^{record.name} is cut off"):
        find(tmp_path)
    file.unlink()
    with pytest.raises(LayoutError, match=rf"lacks {record.name}: convert it again"):
        find(tmp_path)


def test_a_converted_file_is_no_link_out_of_the_folder(tmp_path: Path) -> None:
    file = converted(tmp_path / "model") / "gpt.safetensors"
    outside_file(file, tmp_path)
    with pytest.raises(LayoutError, match=r"lacks gpt\.safetensors"):
        find(tmp_path / "model")


def no_manifest(place: Path) -> None:
    (place / manifest.NAME).write_text("{}")


def cut_off(place: Path) -> None:
    (place / "gpt.safetensors").write_bytes(b"")


def linked(place: Path) -> None:
    place.rename(place.parent.with_name("elsewhere"))
    place.symlink_to(place.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_manifest, "manifest.json is damaged"),
        (cut_off, "gpt.safetensors is cut off"),
        (linked, "link out of the model's folder"),
    ],
)
def test_what_is_wrong_with_converted_files_is_said_and_the_published_serve(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "model"
    spoil(converted(folder / CONVERTED))
    with pytest.raises(LayoutError, match=words) as error:
        find(folder)
    assert error.value.error_code == "checkpoint_invalid"
    found = find(write_published(folder))
    assert not found.converted
    assert words in found.warning
    assert found.warning.endswith("The published files are used instead.")
    assert not find_published(folder).warning


def test_a_file_is_named_by_its_place_in_the_model(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(write_published(tmp_path / "inside", "2", others="a"))
    found = find(tmp_path / "linked")
    names = {role: found.name(role) for role in ("gpt", "semantic_encoder", "codec")}
    assert names == {
        "gpt": "gpt.pth",
        "semantic_encoder": "a/w2v-bert-2.0/model.safetensors",
        "codec": "a/semantic_codec/model.safetensors",
    }
    assert find(converted(tmp_path / "inside" / CONVERTED)).name("gpt") == "gpt.safetensors"


def test_a_converted_model_of_another_version_is_refused(tmp_path: Path) -> None:
    converted(tmp_path)
    manifest.write(tmp_path, replace(WHOLE, version="3"))
    with pytest.raises(LayoutError, match="a model that this daemon does not know"):
        find(tmp_path)
