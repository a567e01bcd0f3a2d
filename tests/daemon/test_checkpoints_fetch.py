"""A file comes once, goes on where it broke off, and is what the hub says or is not kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
import resource
import threading

import pytest

from indextts_daemon.checkpoints.catalogue import INDEXTTS_2_5
from indextts_daemon.checkpoints.fetch import (
    DownloadError,
    RemoteFile,
    bytes_left,
    fetch,
    fetch_small,
    in_words,
    is_whole,
)
from indextts_daemon.checkpoints.hub import HuggingFace
from tests.daemon.hub_server import LICENSE, TOKEN, WEIGHTS, HubServer, repositories

REPOSITORY = INDEXTTS_2_5.parts[0].huggingface


@dataclass
class Heard:
    """What a listener heard."""

    sizes: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def has(self, size: int) -> None:
        self.sizes.append(size)

    def waits(self, pause_s: float) -> None:
        self.pauses.append(pause_s)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(repositories(INDEXTTS_2_5)) as server:
        yield server


@pytest.fixture
def gpt(hub: HubServer) -> RemoteFile:
    return look(hub, "gpt.pth")


def look(hub: HubServer, name: str) -> RemoteFile:
    return HuggingFace(endpoint=hub.url).look(REPOSITORY).find(name)


def content(hub: HubServer, name: str = "gpt.pth") -> bytes:
    return hub.holds[REPOSITORY][name]


def bring(file: RemoteFile, target: Path, *, pauses_s: Sequence[float] = ()) -> Heard:
    heard = Heard()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    fetch(file, target, headers=headers, listener=heard, pauses_s=pauses_s)
    return heard


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(hub: HubServer, gpt: RemoteFile, tmp_path: Path) -> None:
    heard = bring(gpt, tmp_path / "models/gpt.pth")
    assert (tmp_path / "models/gpt.pth").read_bytes() == content(hub)
    assert heard.sizes[-1] == gpt.size
    assert left_in(tmp_path / "models") == ["gpt.pth"]


def test_what_an_interrupted_run_left_is_not_fetched_again(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    target = tmp_path / "gpt.pth"
    hub.cuts["gpt.pth"] = [WEIGHTS // 2]
    with pytest.raises(DownloadError, match=r"broke off after 150\.0 kB of 300\.3 kB") as caught:
        bring(gpt, target)
    assert caught.value.error_code == "download_interrupted"
    assert not target.exists()
    assert bytes_left(gpt, target) == WEIGHTS // 2
    bring(gpt, target)
    assert target.read_bytes() == content(hub)
    first, second = hub.files("gpt.pth")
    assert (second.start, first.sent + second.sent) == (first.sent, gpt.size)


def test_a_run_tries_again_by_itself_as_long_as_something_comes(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    hub.cuts["gpt.pth"] = [1000, 1000, 0, 1000, 0]
    heard = bring(gpt, tmp_path / "gpt.pth", pauses_s=(0.001, 0.002))
    assert heard.pauses == [0.001, 0.001, 0.002, 0.001, 0.002]
    assert sum(one.sent for one in hub.files("gpt.pth")) == gpt.size


def test_a_run_gives_up_after_pauses_that_brought_nothing(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    hub.cuts["gpt.pth"] = [1000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"after 1\.0 kB") as caught:
        bring(gpt, tmp_path / "gpt.pth", pauses_s=(0.001, 0.002))
    assert caught.value.error_code == "download_interrupted"
    assert len(hub.files("gpt.pth")) == 3


def test_a_server_error_is_tried_again_and_a_refusal_is_not(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    for status, code, pauses in ((503, "download_interrupted", 1), (403, "download_failed", 0)):
        hub.status["gpt.pth"] = status
        heard = Heard()
        with pytest.raises(DownloadError) as caught:
            fetch(gpt, tmp_path / "gpt.pth", headers={}, listener=heard, pauses_s=[0.001])
        assert (caught.value.error_code, len(heard.pauses)) == (code, pauses)
    assert "HF_TOKEN" in caught.value.message


def test_a_wrong_file_is_refused_by_name_and_deleted(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    right = content(hub)
    hub.wrong["gpt.pth"] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(DownloadError, match=r"IndexTTS-2\.5/gpt\.pth is not what") as caught:
        bring(gpt, tmp_path / "gpt.pth")
    assert caught.value.error_code == "checksum_mismatch"
    assert left_in(tmp_path) == []


def test_a_small_file_of_the_right_length_and_wrong_content_is_refused(
    hub: HubServer, tmp_path: Path
) -> None:
    right = content(hub, "config.yaml")
    hub.wrong["config.yaml"] = right.replace(b"2.0", b"2.1")
    with pytest.raises(DownloadError) as caught:
        bring(look(hub, "config.yaml"), tmp_path / "config.yaml")
    assert caught.value.error_code == "checksum_mismatch"


def test_a_server_without_ranges_starts_afresh(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    hub.cuts["gpt.pth"], hub.ranges = [1000], False
    bring(gpt, tmp_path / "gpt.pth", pauses_s=(0.001,))
    assert (tmp_path / "gpt.pth").read_bytes() == content(hub)


def test_another_version_of_a_file_does_not_go_on_with_the_old_one(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    target = tmp_path / "gpt.pth"
    hub.cuts["gpt.pth"] = [1000]
    with pytest.raises(DownloadError):
        bring(replace(gpt, sha256="0" * 64), target)
    assert bytes_left(gpt, target) == 0
    bring(gpt, target)
    assert left_in(tmp_path) == ["gpt.pth"]
    assert hub.files("gpt.pth")[-1].start == 0


def test_a_token_is_for_the_hub_and_not_for_its_store(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    bring(gpt, tmp_path / "gpt.pth")
    asked = [one for one in hub.asked if one.path.endswith("gpt.pth")]
    assert [one.authorization for one in asked] == [f"Bearer {TOKEN}", None]


def test_two_downloads_of_a_file_do_not_mix(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    hub.chunk, hub.pause_s = 1000, 0.05
    begun, stop = threading.Event(), threading.Event()

    class First(Heard):
        def has(self, size: int) -> None:
            begun.set()
            stop.wait(10)

    target = tmp_path / "gpt.pth"
    first = threading.Thread(
        target=fetch, args=(gpt, target), kwargs={"headers": {}, "listener": First()}
    )
    first.start()
    try:
        assert begun.wait(10)
        with pytest.raises(DownloadError, match="being fetched already"):
            bring(gpt, target)
    finally:
        hub.pause_s = 0
        stop.set()
        first.join()
    assert target.read_bytes() == content(hub)


def test_a_disk_that_takes_no_more_is_said_and_not_tried_again(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (WEIGHTS // 2, hard))
    try:
        with pytest.raises(DownloadError, match=r"cannot be written \(File too large\)") as caught:
            bring(gpt, tmp_path / "gpt.pth", pauses_s=[0.001])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.error_code == "cannot_write"
    assert len(hub.files("gpt.pth")) == 1


def test_whole_is_a_file_of_the_right_size_and_content(
    hub: HubServer, gpt: RemoteFile, tmp_path: Path
) -> None:
    target, right = tmp_path / "gpt.pth", content(hub)
    assert not is_whole(gpt, target)
    for written, whole in ((right, True), (right[:-1], False), (b"x" + right[1:], False)):
        target.write_bytes(written)
        assert is_whole(gpt, target) is whole


def test_a_small_text_is_returned_and_nothing_written(hub: HubServer) -> None:
    assert fetch_small(look(hub, "LICENSE"), {}) == LICENSE.encode()


def test_a_text_that_is_not_small_or_not_right_is_refused(hub: HubServer) -> None:
    with pytest.raises(DownloadError, match=r"larger than 10 bytes"):
        fetch_small(look(hub, "LICENSE"), {}, at_most=10)
    hub.wrong["LICENSE"] = LICENSE.replace("not ", "").encode()
    with pytest.raises(DownloadError, match="not what the hub says"):
        fetch_small(look(hub, "LICENSE"), {})


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (7_082_482_799, "7.1 GB")],
)
def test_bytes_are_said_as_people_do(size: int, words: str) -> None:
    assert in_words(size) == words
