"""A daemon is set up by its address where nothing announces it, with mistakes on the way."""

from typing import Any

import pytest

from tests.e2e.daemon_process import DaemonProcess, free_port
from tests.e2e.home_assistant import HomeAssistant
from tests.e2e.pairing import DOMAIN

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_daemon_is_set_up_by_host_and_port_after_a_mistyped_code(
    hass: HomeAssistant, workshop: DaemonProcess
) -> None:
    flow = await hass.start_flow(DOMAIN)
    assert flow["step_id"] == "user"
    asked = await hass.answer_flow(flow["flow_id"], host=workshop.host, port=workshop.port)
    assert asked["step_id"] == "pair"
    code = await workshop.pairing_code()

    wrong = await hass.answer_flow(flow["flow_id"], credential=f"{(int(code) + 1) % 10**6:06d}")
    assert wrong["errors"] == {"credential": "pairing_code_invalid"}
    assert "is not the pairing code" in await sentence(hass, wrong)

    right = await hass.answer_flow(flow["flow_id"], credential=code)
    assert right["type"] == "create_entry", right
    assert [entry["state"] for entry in await hass.entries(DOMAIN)] == ["loaded"]


async def test_another_server_on_the_port_is_told_apart_from_nobody_and_can_be_corrected(
    hass: HomeAssistant, workshop: DaemonProcess, stranger: int
) -> None:
    flow = await hass.start_flow(DOMAIN)

    nobody = await hass.answer_flow(
        flow["flow_id"], host=workshop.host, port=free_port(workshop.host)
    )
    assert nobody["errors"] == {"host": "cannot_connect"}
    assert "Nothing answers at" in await sentence(hass, nobody)

    other = await hass.answer_flow(flow["flow_id"], host=workshop.host, port=stranger)
    assert other["errors"] == {"host": "not_indextts"}
    assert "is not an IndexTTS daemon" in await sentence(hass, other)

    asked = await hass.answer_flow(flow["flow_id"], host=workshop.host, port=workshop.port)
    assert asked["step_id"] == "pair"
    await hass.abandon_flow(flow["flow_id"])


async def sentence(hass: HomeAssistant, form: dict[str, Any]) -> str:
    """Return what the form shows for its one error."""
    [error] = form["errors"].values()
    texts = await hass.command(
        "frontend/get_translations", language="en", category="config", integration=[DOMAIN]
    )
    return str(texts["resources"][f"component.{DOMAIN}.config.error.{error}"])
