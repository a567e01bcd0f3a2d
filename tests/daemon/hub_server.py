"""A hub on loopback: speaks both protocols, serves tiny models, and fails when it is told to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import io
import json
import pickle
import random
import struct
import threading
import time
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
import zipfile

from indextts_daemon.checkpoints.catalogue import Published
from indextts_daemon.checkpoints.layout import MARKS, REP_CODEC, W2V_BERT

COMMIT = "c0ffee" + "0" * 34
LICENSE = "A LICENSE\n\nThou shalt not clone thy neighbor's voice.\n"
IN_GIT = (".yaml", ".md", ".json", "LICENSE")  # everything else is in LFS
TOKEN = "hf_secret"  # noqa: S105 it opens nothing
CONFIG = """\
version: 2.0
gpt: {heads: 4}
s2mel: {DiT: {num_heads: 2}}
emo_num: [3, 17, 2, 8, 4, 5, 10, 24]
"""
WEIGHTS = 300_000  # bytes


def tensors(*names: str, size: int = 1000) -> bytes:
    """Return a file as torch writes it, with these names in it and noise for weights."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(dict.fromkeys(names, 0), protocol=2))
        archive.writestr("archive/data/0", random.Random(size).randbytes(size))  # noqa: S311
    return file.getvalue()


def safetensors(names: set[str]) -> bytes:
    """Return a safetensors file with these names in it."""
    header = json.dumps(
        {name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in names}
    )
    return struct.pack("<Q", len(header)) + header.encode()


def repositories(model: Published) -> dict[str, dict[str, bytes]]:
    """Return what the model's repositories hold, and things in them that nobody needs."""
    marks = {
        "2.5": ["spk_emb_proj.weight"],
        "2": ["conditioning_encoder.x", "emo_conditioning_encoder.x"],
    }
    holds = {
        "LICENSE": LICENSE.encode(),
        "LICENSE_ZH": "许可".encode(),
        "README.md": b"# Model",
        "config.yaml": CONFIG.encode(),
        "gpt.pth": tensors(*marks[model.version], size=WEIGHTS),
        "s2mel.pth": tensors("net", size=20_000),
        "codec.pth": tensors("model"),
        "multilingual.tiktoken": b"IQ== 0\n",
        "bpe.model": b"bpe",
        "feat1.pt": tensors("a"),
        "feat2.pt": tensors("b"),
        "wav2vec2bert_stats.pt": tensors("mean", "var"),
        "qwen0.6bemo4-merge/config.yaml": b"of another model",
        "qwen0.6bemo4-merge/config.json": b'{"model_type": "qwen3"}',
        "qwen0.6bemo4-merge/model.safetensors": b"large",
        "qwen0.6bemo4-merge/tokenizer.json": b"{}",
        "model.safetensors": safetensors(MARKS[W2V_BERT]),
        "conformer_shaw.pt": b"large",
        "semantic_codec/model.safetensors": safetensors(MARKS[REP_CODEC]),
        "t2s_model/model.safetensors": b"large",
        "campplus_cn_common.bin": tensors("xvector"),
        "bigvgan_generator.pt": tensors("generator"),
    }
    own = {path: content for path, content in holds.items() if path != "model.safetensors"}
    named = [(part.huggingface, part.modelscope) for part in model.parts]
    return {name: own if name in named[0] else holds for names in named for name in names}


@dataclass
class Asked:
    """One request, and how many bytes of a file went out for it."""

    method: str
    path: str
    start: int
    authorization: str | None
    sent: int = 0


@dataclass
class HubServer:
    """Serves repositories on a free port; use it as a context."""

    holds: Mapping[str, Mapping[str, bytes]]
    asked: list[Asked] = field(default_factory=list)
    cuts: dict[str, list[int]] = field(default_factory=dict)  # bytes after which it hangs up
    wrong: dict[str, bytes] = field(default_factory=dict)  # what comes instead
    sizes: dict[str, int] = field(default_factory=dict)  # what is claimed
    status: dict[str, int] = field(default_factory=dict)  # what is answered instead of a file
    ranges: bool = True
    chunk: int = 1 << 16
    pause_s: float = 0.0  # between chunks

    def __enter__(self) -> Self:
        hub = self

        class Handler(_Handler):
            serves = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def files(self, name: str = "") -> list[Asked]:
        """Return the requests for file contents, of one file or of all."""
        gets = (one for one in self.asked if one.method == "GET" and "/api/" not in one.path)
        return [one for one in gets if one.path.startswith("/store/") and one.path.endswith(name)]


class _Handler(BaseHTTPRequestHandler):
    serves: HubServer
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        asked = Asked("GET", unquote(url.path), start, self.headers.get("Authorization"))
        self.serves.asked.append(asked)
        try:
            self._route(asked, asked.path.strip("/").split("/"), parse_qs(url.query))
        except KeyError:
            self._answer(404, b"Entry not found")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, asked: Asked, parts: list[str], query: dict[str, list[str]]) -> None:
        match parts:
            case ["api", "models", owner, name] if "blobs" in query:
                self._json(self._info(f"{owner}/{name}"))
            case ["api", "v1", "models", owner, name, "repo", "files"]:
                assert query == {"Revision": ["master"], "Recursive": ["true"]}
                self._json({"Code": 200, "Data": {"Files": list(self._listing(f"{owner}/{name}"))}})
            case ["strange", *_]:
                self._json({"Code": 500, "Data": None})
            case ["store", owner, name, *path]:
                self._file(asked, f"{owner}/{name}", "/".join(path))
            case ["models", owner, name, "resolve", revision, *path]:
                assert revision == COMMIT
                self._redirect(f"/store/{owner}/{name}/{'/'.join(path)}")
            case [owner, name, "resolve", revision, *path]:
                assert revision == COMMIT
                self._redirect(f"/store/{owner}/{name}/{'/'.join(path)}")
            case _:
                raise KeyError

    def _info(self, name: str) -> dict[str, Any]:
        """Describe a repository as Hugging Face does."""
        siblings: list[dict[str, Any]] = []
        for path, content in self.serves.holds[name].items():
            size = self.serves.sizes.get(path, len(content))
            blob = hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()  # noqa: S324
            entry = {"rfilename": path, "size": size, "blobId": blob}
            if not path.endswith(IN_GIT):
                sha256 = hashlib.sha256(content).hexdigest()
                entry |= {"blobId": "0" * 40}
                entry |= {"lfs": {"sha256": sha256, "size": size, "pointerSize": 135}}
            siblings.append(entry)
        return {"_id": "1", "id": name, "sha": COMMIT, "siblings": siblings}

    def _listing(self, name: str) -> Iterator[dict[str, Any]]:
        """Describe a repository as ModelScope does."""
        for folder in ("qwen0.6bemo4-merge", "semantic_codec"):
            yield {"Path": folder, "Type": "tree", "Size": 0, "Revision": COMMIT, "Sha256": ""}
        for path, content in self.serves.holds[name].items():
            yield {
                "Path": path,
                "Type": "blob",
                "Size": self.serves.sizes.get(path, len(content)),
                "Revision": COMMIT,
                "Sha256": hashlib.sha256(content).hexdigest(),
            }

    def _file(self, asked: Asked, name: str, path: str) -> None:
        serves = self.serves
        if path in serves.status:
            self._answer(serves.status[path], b"no")
            return
        content = serves.wrong.get(path, serves.holds[name][path])
        start = asked.start if serves.ranges else 0
        headers = {"Accept-Ranges": "bytes"} if serves.ranges else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start else 200, len(content) - start, headers)
        cuts = serves.cuts.get(path, [])
        until = min(len(content), start + cuts.pop(0)) if cuts else len(content)
        while start + asked.sent < until:
            chunk = content[start + asked.sent : min(until, start + asked.sent + serves.chunk)]
            self.wfile.write(chunk)
            asked.sent += len(chunk)
            time.sleep(serves.pause_s)
        self.close_connection = True

    def _redirect(self, where: str) -> None:
        """Send them to the store, as the hub does with large files: another address, no token."""
        self._head(302, 0, {"Location": f"{self.serves.url}{where}", "X-Repo-Commit": COMMIT})

    def _json(self, content: Any) -> None:
        self._answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._head(status, len(body), headers or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
