"""Walks through dialogs as a person does, who must find words for all that is shown."""

from collections.abc import Collection
import json
from pathlib import Path
from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
import probatio

import custom_components.indextts
from custom_components.indextts.const import DOMAIN

TEXTS = Path(custom_components.indextts.__file__).parent / "translations/en.json"


async def start(
    hass: HomeAssistant, source: str, data: ZeroconfServiceInfo | None = None
) -> ConfigFlowResult:
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": source}, data=data)
    words(flow)
    return flow


async def send(
    hass: HomeAssistant, flow: ConfigFlowResult, data: dict[str, Any]
) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], data)
    await hass.async_block_till_done()
    words(result)
    return result


def words(
    result: ConfigFlowResult, section: str = "config", *, hidden: Collection[str] = ()
) -> str:
    """Return what a person reads; `hidden` is what a form has words for and does not ask.

    Raises KeyError for a text or a name in it that is missing.
    """
    texts = json.loads(TEXTS.read_text(encoding="utf-8"))[section]
    names = result.get("description_placeholders") or {}
    shown: list[str] = []
    if result["type"] is FlowResultType.FORM:
        step = texts["step"][result["step_id"]]
        fields = {field["name"] for field in shown_fields(result)}
        assert fields.isdisjoint(hidden)
        fields |= {*hidden}
        assert fields == {*step.get("data", {})} == {*step.get("data_description", {})}
        shown = [step["title"], step["description"]]
        shown += [*step.get("data", {}).values(), *step.get("data_description", {}).values()]
        shown += [texts["error"][error] for error in (result["errors"] or {}).values()]
    if result["type"] is FlowResultType.ABORT and not result.get("translation_domain"):
        shown = [texts["abort"][result["reason"]]]  # else the words are Home Assistant's own
    return "\n".join(text.format(**names) for text in shown)


def suggestions(result: ConfigFlowResult) -> dict[str, Any]:
    """Return what stands in the fields of a form already."""
    return {
        field["name"]: field["description"]["suggested_value"]
        for field in shown_fields(result)
        if "description" in field
    }


def shown_fields(result: ConfigFlowResult) -> list[dict[str, Any]]:
    """Return the fields of a form as the browser gets them."""
    if (schema := result["data_schema"]) is None:
        return []
    return list(probatio.to_field_list(schema, custom_serializer=cv.custom_serializer))


def is_form(result: ConfigFlowResult, step_id: str, **errors: str) -> bool:
    return (result["type"], result["step_id"], result["errors"] or {}) == (
        FlowResultType.FORM,
        step_id,
        errors,
    )


def is_abort(result: ConfigFlowResult, reason: str) -> bool:
    return (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)
