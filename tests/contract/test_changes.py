"""A real daemon is changed by the real client, and tells of it in words that the client reads."""

import asyncio
from contextlib import aclosing

import aiohttp
import pytest

from custom_components.indextts.client import IndexTTSRequestError, Readiness
from tests.contract.conftest import Connect, Daemon

pytestmark = pytest.mark.usefixtures("socket_enabled")

PATIENCE_S = 30


async def test_a_daemon_that_nobody_changed_tells_of_nothing_wrong(
    daemon: Daemon, connect: Connect
) -> None:
    client = connect(daemon)
    status = await client.status()
    assert status.generation is not None
    assert (status.paused, status.canary) == (None, None)
    assert not [scope for scope, reload in status.last_reload.items() if reload.rejected]
    models = {model.id: model for model in await client.models()}
    assert models[status.model].state == "ready"


async def test_a_pause_is_told_by_an_event_and_by_the_status_until_it_ends(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    async with asyncio.timeout(PATIENCE_S), aclosing(client.events()) as events:
        assert (await anext(events)).name == "state"
        await client.pause("chess")
        while (event := await anext(events)).name != "paused":
            pass
        assert event.data["paused"]["reason"] == "chess"
        paused = (await client.status()).paused
        assert paused is not None
        assert (paused.reason, paused.who, paused.until) == ("chess", "api", None)
        await pause(own_daemon, until=2_000_000_000)
        paused = (await client.status()).paused
        assert paused is not None
        assert paused.until == 2_000_000_000
        await client.resume()
        while (await anext(events)).name != "paused":
            pass
        assert (await client.status()).paused is None
        while (await client.readiness()) != Readiness(ready=True, state="ready"):
            pass


async def pause(daemon: Daemon, *, until: float) -> None:
    """Pause it until a moment, as others do."""
    headers = {"Authorization": f"Bearer {daemon.token}"}
    async with (
        aiohttp.ClientSession(daemon.url, headers=headers) as session,
        session.post("/v1/pause", json={"until": until}) as response,
    ):
        response.raise_for_status()


async def test_a_reload_of_what_is_as_it_was_changes_nothing_and_is_remembered(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    before = (await client.status()).generation
    assert not (await client.reload()).rejected
    assert (await client.status()).generation == before
    scopes = {operation.scope for operation in await client.operations(50)}
    assert {"config", "moods", "lexicon"} <= scopes
    assert len(await client.operations(2)) == 2


async def test_what_speaks_already_may_be_chosen_and_made_ready(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    model = (await client.status()).model
    async with asyncio.timeout(PATIENCE_S):
        chosen = await client.activate_model(model)
        assert (chosen.scope, chosen.action, chosen.subject) == ("models", "activate", model)
        assert chosen.result in {"applied", "unchanged"}
        await client.prewarm()


async def test_what_cannot_be_is_refused_in_a_sentence(
    own_daemon: Daemon, connect: Connect
) -> None:
    client = connect(own_daemon)
    model = (await client.status()).model
    async with asyncio.timeout(PATIENCE_S):
        for change in (
            client.rollback_model(model),
            client.activate_model("nobody"),
            client.activate_model(model, version="of-tomorrow"),
        ):
            with pytest.raises(IndexTTSRequestError) as refused:
                await change
            assert str(refused.value).endswith(".")
