"""What a hub says of a repository is read as it is meant, from both hubs alike."""

from collections.abc import Iterator
import socket

import pytest

from indextts_daemon.checkpoints import fetch, hub as hub_module
from indextts_daemon.checkpoints.catalogue import (
    INDEXTTS_2,
    INDEXTTS_2_5,
    OWN,
    PUBLISHED,
    Published,
    published,
)
from indextts_daemon.checkpoints.fetch import DownloadError
from indextts_daemon.checkpoints.hub import HuggingFace, ModelScope, Source, source
from indextts_daemon.checkpoints.licence import calls_itself, licence_file, shown
from indextts_daemon.errors import ModelNotFoundError, SettingsError
from tests.daemon.hub_server import COMMIT, HubServer, repositories

HUBS = [HuggingFace, ModelScope]
PLACES = {
    "indextts-2-5": {"codec.pth", "multilingual.tiktoken"},
    "indextts-2": {"bpe.model", "hf_cache/semantic_codec_model.safetensors"},
}
SHARED_PLACES = {
    *("config.yaml", "gpt.pth", "s2mel.pth", "feat1.pt", "feat2.pt", "wav2vec2bert_stats.pt"),
    "hf_cache/w2v-bert-2.0/model.safetensors",
    "hf_cache/campplus_cn_common.bin",
    "hf_cache/bigvgan/bigvgan_generator.pt",
}


@pytest.fixture(params=PUBLISHED, ids=lambda model: model.id)
def model(request: pytest.FixtureRequest) -> Published:
    chosen: Published = request.param
    return chosen


@pytest.fixture
def hub(model: Published) -> Iterator[HubServer]:
    with HubServer(repositories(model)) as server:
        yield server


@pytest.mark.parametrize("kind", HUBS)
def test_exactly_the_files_that_a_model_needs_are_wanted(
    hub: HubServer, model: Published, kind: type[HuggingFace | ModelScope]
) -> None:
    where = kind(endpoint=hub.url)
    wanted = [
        (file, place)
        for part in model.parts
        for file, place in where.look(where.repository(part)).wanted(part)
    ]
    assert {place for _, place in wanted} == SHARED_PLACES | PLACES[model.id]
    for file, _ in wanted:
        assert file.size == len(hub.holds[file.repository][file.path])
        assert file.checksum
        assert f"/resolve/{COMMIT}/" in file.url


def test_both_hubs_name_the_same_content(hub: HubServer, model: Published) -> None:
    own = model.parts[0]
    sums = [
        where.look(where.repository(own)).find("gpt.pth").sha256
        for where in (HuggingFace(endpoint=hub.url), ModelScope(endpoint=hub.url))
    ]
    assert sums[0] == sums[1] != ""


def test_the_file_least_deep_is_meant(hub: HubServer, model: Published) -> None:
    found = HuggingFace(endpoint=hub.url).look(model.parts[0].huggingface)
    assert found.find("config.yaml").path == "config.yaml"
    with pytest.raises(DownloadError, match=r"does not have another\.pth"):
        found.find("another.pth")


@pytest.mark.parametrize("kind", HUBS)
def test_a_repository_that_is_not_there_is_said(
    hub: HubServer, kind: type[HuggingFace | ModelScope]
) -> None:
    with pytest.raises(DownloadError, match="nobody/nothing") as caught:
        kind(endpoint=hub.url).look("nobody/nothing")
    assert caught.value.error_code in {"not_found", "unreachable"}


@pytest.mark.parametrize("kind", HUBS)
def test_a_hub_that_is_away_is_said_in_a_sentence(kind: type[HuggingFace | ModelScope]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where: Source = kind(endpoint=f"http://127.0.0.1:{probe.getsockname()[1]}")
        with pytest.raises(DownloadError, match="cannot be fetched now") as caught:
            where.look("IndexTeam/IndexTTS-2")
    assert caught.value.error_code == "unreachable"


@pytest.mark.parametrize("kind", HUBS)
def test_a_hub_that_never_answers_is_not_waited_for(
    kind: type[HuggingFace | ModelScope], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hub_module, fetch):
        monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where: Source = kind(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DownloadError, match="cannot be fetched now") as caught:
            where.look("IndexTeam/IndexTTS-2")
    assert caught.value.error_code == "unreachable"


def test_a_list_of_another_shape_is_no_list(hub: HubServer) -> None:
    with pytest.raises(DownloadError, match="does not answer as expected"):
        ModelScope(endpoint=f"{hub.url}/strange").look("any/model")


def test_nothing_but_the_list_is_asked_for(hub: HubServer, model: Published) -> None:
    HuggingFace(endpoint=hub.url).look(model.parts[0].huggingface)
    assert [one.path for one in hub.asked] == [f"/api/models/{model.parts[0].huggingface}"]


def test_a_mirror_is_named_by_the_environment() -> None:
    mirrored = source("huggingface", {"HF_ENDPOINT": "https://mirror.example/"})
    assert mirrored == HuggingFace(endpoint="https://mirror.example")
    assert source("modelscope", {"MODELSCOPE_ENDPOINT": "http://near"}).name == "ModelScope"
    with pytest.raises(SettingsError, match="HF_ENDPOINT must begin with https://"):
        source("huggingface", {"HF_ENDPOINT": "file:///etc"})


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        (["README.md", "LICENSE_ZH", "LICENSE"], "LICENSE"),
        (["LICENSE_ZH.txt", "LICENSE.txt"], "LICENSE.txt"),
        (["INDEX_MODEL_LICENSE_ZH.txt"], "INDEX_MODEL_LICENSE_ZH.txt"),
        (["licence.md", "third_party/LICENSE"], "licence.md"),
        (["README.md", "gpt.pth"], None),
        (
            ["licenses.json", "LICENSE.md", "INDEX_MODEL_LICENSE_EN.txt", "MODEL_LICENSE_ZH.txt"],
            "INDEX_MODEL_LICENSE_EN.txt",
        ),
        (["license.png", "LICENSE-bilibili.TXT"], "LICENSE-bilibili.TXT"),
    ],
)
def test_the_license_is_found_by_its_name(paths: list[str], chosen: str | None) -> None:
    assert licence_file(paths) == chosen


def test_a_license_cannot_hide_or_repaint_its_words() -> None:
    text = "Pay\x1b[2K\x1b[1Aall\r\nand\tmore\u202e\x9b8m\x07"
    assert shown(text.encode()) == "Pay[2K[1Aall\nand\tmore8m"


def test_a_license_is_known_by_its_title() -> None:
    for text, known in (("BILIBILI Model\n Use  License Agreement", True), ("MIT", False)):
        assert calls_itself(text.encode(), OWN) is known


def test_a_model_is_known_by_its_id() -> None:
    assert published("indextts-2") is INDEXTTS_2
    assert published("indextts-2-5") is INDEXTTS_2_5
    with pytest.raises(ModelNotFoundError, match="there are indextts-2-5, indextts-2"):
        published("indextts-3")
