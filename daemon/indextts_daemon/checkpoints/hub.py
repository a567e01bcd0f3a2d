"""Where models are published: what a repository holds now, and how its files are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import json
import os
from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from indextts_daemon.errors import SettingsError

from .catalogue import Part
from .fetch import BREAKS, TIMEOUT_S, DownloadError, RemoteFile, opened, unreachable

LARGEST_LISTING = 8 << 20  # bytes
QUIET = {  # read by huggingface_hub when it is imported
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One revision of a repository, which no later push changes."""

    name: str
    revision: str
    files: tuple[RemoteFile, ...]

    def find(self, pattern: str) -> RemoteFile:
        """Return the file of this name, the one least deep. Raises DownloadError."""
        found = [file for file in self.files if PurePosixPath(file.path).match(pattern)]
        if not found:
            raise DownloadError(f"{self.name} does not have {pattern}.", code="not_found")
        return min(found, key=lambda file: (file.path.count("/"), file.path))

    def wanted(self, part: Part) -> Iterator[tuple[RemoteFile, str]]:
        """Yield each file that the part needs and its place. Raises DownloadError."""
        for pattern, place in part.files.items():
            file = self.find(pattern)
            keeps_name = not place or place.endswith("/")
            yield file, f"{place}{PurePosixPath(file.path).name}" if keeps_name else place


class Source(Protocol):
    """A hub that publishes models."""

    @property
    def name(self) -> str:
        """What people call it."""

    def repository(self, part: Part) -> str:
        """Return what the part's repository is called here."""

    def look(self, repository: str) -> Repository:
        """Return what it holds now. Raises DownloadError."""

    def headers(self) -> Mapping[str, str]:
        """Return what a request for a file needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFace:
    """huggingface.co or a mirror that speaks as it does."""

    endpoint: str
    name: str = field(default="Hugging Face", init=False)

    def repository(self, part: Part) -> str:
        """Return what the part's repository is called here."""
        return part.huggingface

    def look(self, repository: str) -> Repository:
        """Return what it holds now. Raises DownloadError."""
        hub = _huggingface_hub()
        try:
            api = hub.HfApi(endpoint=self.endpoint)
            info = api.model_info(repository, files_metadata=True, timeout=TIMEOUT_S)
        except (hub.errors.RepositoryNotFoundError, hub.errors.HFValidationError) as err:
            raise DownloadError(f"{self.name} has no {repository}.", code="not_found") from err
        except Exception as err:  # its HTTP library, whose errors differ by version
            raise unreachable(repository, err) from err
        files = (
            RemoteFile(
                repository=repository,
                path=file.rfilename,
                url=hub.hf_hub_url(
                    repository, file.rfilename, revision=info.sha, endpoint=self.endpoint
                ),
                size=file.size,
                sha256=file.lfs.sha256 if file.lfs else "",
                blob=file.blob_id or "",
            )
            for file in info.siblings
            if file.size is not None
        )
        return Repository(name=repository, revision=info.sha, files=tuple(files))

    def headers(self) -> Mapping[str, str]:
        """Return what a request for a file needs."""
        token = _huggingface_hub().get_token()
        return {"Authorization": f"Bearer {token}"} if token else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScope:
    """modelscope.cn, over HTTP: its own package is large and would be used for one list."""

    endpoint: str
    name: str = field(default="ModelScope", init=False)

    def repository(self, part: Part) -> str:
        """Return what the part's repository is called here."""
        return part.modelscope

    def look(self, repository: str) -> Repository:
        """Return what it holds now. Raises DownloadError."""
        query = urlencode({"Revision": "master", "Recursive": "true"})
        url = f"{self.endpoint}/api/v1/models/{repository}/repo/files?{query}"
        try:
            with opened(url, repository, {}) as response:
                listing = json.loads(response.read(LARGEST_LISTING))
            files = tuple(self._files(repository, listing["Data"]["Files"]))
        except BREAKS as err:
            raise unreachable(repository, err) from err
        except (ValueError, LookupError, TypeError) as err:
            raise DownloadError(f"{self.name} does not answer as expected.") from err
        return Repository(name=repository, revision="master", files=files)

    def headers(self) -> Mapping[str, str]:
        """Return what a request for a file needs."""
        return {}

    def _files(self, repository: str, listed: Any) -> Iterator[RemoteFile]:
        for file in listed:
            if file["Type"] == "blob":
                path, commit = quote(file["Path"]), quote(file["Revision"])
                yield RemoteFile(
                    repository=repository,
                    path=file["Path"],
                    url=f"{self.endpoint}/models/{repository}/resolve/{commit}/{path}",
                    size=int(file["Size"]),
                    sha256=file.get("Sha256") or "",
                )


def source(name: str, environment: Mapping[str, str]) -> Source:
    """Return the hub of this name, where the environment says it is. Raises SettingsError."""
    if name == "modelscope":
        return ModelScope(endpoint=_endpoint(environment, "MODELSCOPE_ENDPOINT", "modelscope.cn"))
    return HuggingFace(endpoint=_endpoint(environment, "HF_ENDPOINT", "huggingface.co"))


def _endpoint(environment: Mapping[str, str], variable: str, host: str) -> str:
    endpoint = environment.get(variable) or f"https://{host}"
    if not endpoint.startswith(("https://", "http://")):
        raise SettingsError(f"{variable} must begin with https:// or http://.", param=variable)
    return endpoint.rstrip("/")


def _huggingface_hub() -> Any:
    """Import it so that it tells nobody anything. Raises SettingsError if it is not there."""
    os.environ.update(QUIET)
    try:
        import huggingface_hub  # noqa: PLC0415 part of the extra, and slow
    except ImportError as err:
        raise SettingsError(
            "Downloading needs more packages: pip install 'indextts-daemon[indextts]'",
            code="engine_missing",
        ) from err
    return huggingface_hub
