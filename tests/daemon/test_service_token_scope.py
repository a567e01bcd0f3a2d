"""The token is reloaded: the new one counts at once, and a bad file leaves the old one."""

import asyncio
from pathlib import Path
import time

import pytest

from indextts_daemon.errors import SettingsError
from indextts_daemon.identity import Identity, last_good_token, open_identity, remember, renew_token
from indextts_daemon.service.events import EventBus
from indextts_daemon.service.operations import Operations, Running
from indextts_daemon.service.reloading import Reloader
from indextts_daemon.service.token_scope import TokenScope
from tests.daemon.door import TOKEN, Opener
from tests.daemon.rooms import StubModel, generations_of

BLANK = " "
GENERATION = object()  # which the scope has to hand back as it is


def running() -> Running:
    return Operations(EventBus()).begin("token", "reload", who="file")


async def adopt(scope: TokenScope) -> bool:
    """Reload, as the reloader does; return whether there was a change."""
    change = await scope.stage(None, running())
    if change is None:
        return False
    assert change.apply(GENERATION) is GENERATION  # type: ignore[arg-type, comparison-overlap]
    return True


async def test_a_new_token_counts_at_once_and_outlives_damage(tmp_path: Path) -> None:
    identity = open_identity(tmp_path)
    old, scope = identity.token, TokenScope(identity, tmp_path, given=None)
    assert not await adopt(scope)
    new = renew_token(tmp_path)
    assert identity.admits(old)
    assert await adopt(scope)
    assert identity.admits(new)
    assert not identity.admits(old)
    assert not await adopt(scope)
    (tmp_path / "token").write_bytes(b"")
    assert open_identity(tmp_path).token == new


async def test_nothing_counts_before_it_is_committed(tmp_path: Path) -> None:
    identity = open_identity(tmp_path)
    old, scope = identity.token, TokenScope(identity, tmp_path, given=None)
    renew_token(tmp_path)
    assert await scope.stage(None, running()) is not None
    assert identity.token == old


async def test_of_two_tokens_the_later_is_kept_however_slow_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes longer to write than the next."""
    identity, first = open_identity(tmp_path), renew_token(tmp_path)

    def slowly(folder: Path, identity: Identity, *, token: str | None) -> None:
        if token == first:
            time.sleep(0.3)
        remember(folder, identity, token=token)

    monkeypatch.setattr("indextts_daemon.service.token_scope.remember", slowly)
    events = EventBus()
    reloader = Reloader(generations_of(StubModel(id="big", knows=None)), Operations(events), events)
    reloader.add(TokenScope(identity, tmp_path, given=None))
    await reloader.reload("token", who="file")
    last = renew_token(tmp_path)
    await reloader.reload("token", who="file")
    await asyncio.gather(*reloader._tasks)
    assert identity.token == last == last_good_token(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"a b", b"a\nb", b"\xff", bytes(32), b"x" * 1025, None, "a folder"]
)
async def test_a_token_that_cannot_count_is_rejected_and_the_old_one_stays(
    content: bytes | str | None, tmp_path: Path
) -> None:
    identity = open_identity(tmp_path)
    old, file = identity.token, tmp_path / "token"
    file.unlink()
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content:
        file.mkdir()
    with pytest.raises(SettingsError, match=r"^The file token (is|must|cannot)") as refused:
        await TokenScope(identity, tmp_path, given=None).stage(None, running())
    assert str(tmp_path) not in refused.value.message
    assert identity.token == old


@pytest.mark.parametrize("given", ["given", " given\n"])
async def test_the_token_of_the_environment_stays(given: str, tmp_path: Path) -> None:
    identity = open_identity(tmp_path, token=given)
    (tmp_path / "token").write_text("another")
    operation = running()
    assert await TokenScope(identity, tmp_path, given=given).stage(None, operation) is None
    assert identity.token == "given"  # noqa: S105
    assert operation.now.details == {"shadowed": ["token"]}


async def test_a_blank_token_of_the_environment_is_none(tmp_path: Path) -> None:
    identity = open_identity(tmp_path, token=BLANK)
    new = renew_token(tmp_path)
    assert await adopt(TokenScope(identity, tmp_path, given=" "))
    assert identity.token == new


async def test_the_door_asks_for_the_new_token_from_the_next_request_on(
    open_door: Opener, tmp_path: Path
) -> None:
    async with open_door() as door:
        identity: Identity = door.services.identity
        (tmp_path / "token").write_text("a-new-token-of-ours")

        async def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            async with door.session.get("/v1/status", headers=headers) as answer:
                return int(answer.status)

        assert [await status(TOKEN), await status("a-new-token-of-ours")] == [200, 401]
        assert await adopt(TokenScope(identity, tmp_path, given=None))
        assert [await status(TOKEN), await status("a-new-token-of-ours")] == [401, 200]
