"""Names are read from tensor files of any kind of badness, and nothing in them is run."""

from contextlib import suppress
from pathlib import Path
import pickle
import random
import struct
import tracemalloc
import zipfile

from hypothesis import HealthCheck, example, given, settings, strategies as st
import pytest

from indextts_daemon.checkpoints import pickled
from indextts_daemon.checkpoints.pickled import DamagedFileError, header_names, key_names
from tests.daemon.checkpoint_files import write_safetensors, write_torch_file

PLACES = 20  # where each file is cut


class Touching:
    """Makes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.witness,))


def test_the_names_in_a_torch_file_are_read(tmp_path: Path) -> None:
    path = write_torch_file(tmp_path / "gpt.pth", {"net": {"a.weight": 1.0, "b" * 300: 2.0}})
    assert key_names(path) >= {"net", "a.weight", "b" * 300}


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    path = write_torch_file(tmp_path / "gpt.pth", {"a": Touching(witness)})
    assert "a" in key_names(path)
    assert not witness.exists()
    with zipfile.ZipFile(path) as archive:
        pickle.loads(archive.read("gpt/data.pkl"))  # noqa: S301 shows that it would have been
    assert witness.exists()


def test_the_names_in_a_safetensors_file_are_read(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", ["a", "b"])
    assert header_names(path) == {"a", "b"}


@pytest.mark.parametrize("seed", range(PLACES))
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, seed: int) -> None:
    zipped = write_torch_file(tmp_path / "gpt.pth", {"a.weight": 1.0})
    plain = write_safetensors(tmp_path / "model.safetensors", ["a", "b"])
    header = struct.unpack("<Q", plain.read_bytes()[:8])[0] + 8
    for path, read, end in ((zipped, key_names, None), (plain, header_names, header)):
        whole = path.read_bytes()[:end]
        place = random.Random(seed).randrange(len(whole))  # noqa: S311 the same places each time
        path.write_bytes(whole[:place])
        with pytest.raises(DamagedFileError, match=path.name):
            read(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(place=308, byte=1)  # has Python 3.11's zipfile seek to before the file
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_is_damage_or_changes_nothing_but_names(
    tmp_path: Path, place: int, byte: int
) -> None:
    for path, read in (
        (write_torch_file(tmp_path / "gpt.pth", {"a.weight": 1.0}), key_names),
        (write_safetensors(tmp_path / "model.safetensors", ["a", "b"]), header_names),
    ):
        content = bytearray(path.read_bytes())
        content[place % len(content)] = byte
        path.write_bytes(content)
        with suppress(DamagedFileError):
            assert isinstance(read(path), frozenset)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_as_a_pickle_are_names_or_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gpt.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("gpt/data.pkl", content)
    with suppress(DamagedFileError):
        assert isinstance(key_names(path), frozenset)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"[" * 100_000, b"{", b"\xff\xfe", b"null"],
    ids=["nothing", "a list", "deep", "half", "no text", "null"],
)
def test_a_header_that_is_none_is_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    with pytest.raises(DamagedFileError) as error:
        header_names(path)
    assert str(tmp_path) not in str(error.value)


def test_a_header_is_not_believed_to_be_larger_than_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(DamagedFileError):
        header_names(path)


def test_a_pickle_that_unpacks_to_more_than_any_model_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickled, "LARGEST_PICKLE", 10)
    with pytest.raises(DamagedFileError):
        key_names(write_torch_file(tmp_path / "gpt.pth", {"a.weight": 1.0}))


def test_a_pickle_that_would_have_to_be_unpacked_is_damage_unread(tmp_path: Path) -> None:
    path = tmp_path / "gpt.pth"
    size = 64 << 20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gpt/data.pkl", bytes(size))
    content = path.read_bytes()
    assert content.count(struct.pack("<L", size)) == 2
    path.write_bytes(content.replace(struct.pack("<L", size), struct.pack("<L", 1000)))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError):
            key_names(path)
        assert pickled.has_damage(path, lambda _: None)
        assert tracemalloc.get_traced_memory()[1] < size // 8
    finally:
        tracemalloc.stop()


def test_a_stored_pickle_is_not_larger_than_it_says(tmp_path: Path) -> None:
    path = write_torch_file(tmp_path / "gpt.pth", {"a.weight": 1.0})
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("gpt/data.pkl").file_size
    content = bytearray(path.read_bytes())
    place = content.rindex(struct.pack("<LL", size, size)) + 4
    content[place : place + 4] = struct.pack("<L", size - 1)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        key_names(path)


def test_a_zip_without_a_pickle_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "gpt.pth", "w") as archive:
        archive.writestr("readme", "nothing here")
    with pytest.raises(DamagedFileError):
        key_names(tmp_path / "gpt.pth")


def test_a_record_that_fails_its_checksum_is_noticed(tmp_path: Path) -> None:
    path = write_torch_file(tmp_path / "gpt.pth", {"a.weight": 1.0})
    read: list[int] = []
    assert not pickled.has_damage(path, read.append)
    assert sum(read) > 64
    content = bytearray(path.read_bytes())
    content[content.index(b"gpt/data/0") + 20] ^= 1
    path.write_bytes(content)
    assert pickled.has_damage(path, read.append)
