"""scripts/check_integration finds nothing here, and everything that it promises to find."""

from collections.abc import Callable
import json
from pathlib import Path
import shutil
from typing import Any, NamedTuple

from PIL import Image
import pytest

from scripts.check_integration import (
    CHECKS,
    Check,
    Repository,
    actions,
    brand,
    catalogue,
    dependencies,
    found,
    keys,
    manifest,
    scale,
    texts,
)
from scripts.check_integration.__main__ import main

ROOT = Path(__file__).parent.parent.parent
CHECKED = ["custom_components", "hacs.json", "LICENSE", "README.md"]
MANIFEST = "manifest.json"
ENGLISH = "translations/en.json"
HACS = "../../hacs.json"
SCALE = "quality_scale.yaml"
SERVICES = "services.yaml"

type Change = Callable[[Path], None]  # takes the integration's folder


class Break(NamedTuple):
    """A change after which this check says this word."""

    check: Check
    change: Change
    word: str


def put(name: str, path: str, value: Any) -> Change:
    """Set a dotted key of a JSON file; None deletes it."""

    def change(folder: Path) -> None:
        data = json.loads((folder / name).read_text("utf-8"))
        *above, last = path.split(".")
        place = data
        for key in above:
            place = place.setdefault(key, {})
        place.pop(last, None) if value is None else place.update({last: value})
        (folder / name).write_text(json.dumps(data, ensure_ascii=False, indent=2), "utf-8")

    return change


def write(name: str, text: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")

    return change


def append(name: str, text: str) -> Change:
    def change(folder: Path) -> None:
        write(name, (folder / name).read_text("utf-8") + text)(folder)

    return change


def replace(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        write(name, text.replace(old, new))(folder)

    return change


def delete(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def draw(name: str, size: tuple[int, int], kind: str = "PNG", margin: int = 0) -> Change:
    def change(folder: Path) -> None:
        image = Image.new("RGBA", size)
        image.paste((0, 0, 0, 255), (margin, margin, size[0] - margin, size[1] - margin))
        image.save(folder / "brand" / name, kind)

    return change


def copy(name: str, to: str) -> Change:
    def change(folder: Path) -> None:
        shutil.copy(folder / name, folder / to)

    return change


def both(first: Change, second: Change) -> Change:
    def change(folder: Path) -> None:
        first(folder)
        second(folder)

    return change


def a_step(section: str, body: str) -> Change:
    """Add a flow of this section with one line of code."""
    base = {"config": "ConfigFlow", "options": "OptionsFlowWithReload"}[section]
    return write(
        "another.py",
        f"class AnotherFlow({base}):\n    async def async_step_user(self):\n        {body}\n",
    )


def german(path: str, value: Any) -> Change:
    """Add a German file that differs from the English one in one key."""

    def change(folder: Path) -> None:
        shutil.copy(folder / ENGLISH, folder / "translations/de.json")
        put("translations/de.json", path, value)(folder)

    return change


SCHEMA = manifest.manifest_fits_its_schema
ICON = brand.brand_images_are_taken
PLAIN = texts.texts_are_plain
NAME = "entity.sensor.queue.name"
HACS_FITS = catalogue.catalogue_entry_fits

BREAKS = {
    "a manifest that is no JSON": Break(SCHEMA, write(MANIFEST, "{"), "cannot be read"),
    "a manifest that is a list": Break(SCHEMA, write(MANIFEST, "[]"), "no object"),
    "an unknown key": Break(SCHEMA, put(MANIFEST, "colour", "red"), "colour"),
    "no version": Break(SCHEMA, put(MANIFEST, "version", None), "version"),
    "a version that does not load": Break(SCHEMA, put(MANIFEST, "version", "one"), "version"),
    "no code owner": Break(SCHEMA, put(MANIFEST, "codeowners", []), "codeowners"),
    "a code owner without @": Break(SCHEMA, put(MANIFEST, "codeowners", ["me"]), "codeowners"),
    "core's documentation": Break(
        SCHEMA,
        put(MANIFEST, "documentation", "https://www.home-assistant.io/integrations/indextts"),
        "documentation",
    ),
    "documentation without https": Break(
        SCHEMA, put(MANIFEST, "documentation", "http://example.org/x"), "documentation"
    ),
    "no issue tracker": Break(SCHEMA, put(MANIFEST, "issue_tracker", None), "issue_tracker"),
    "an unknown iot class": Break(SCHEMA, put(MANIFEST, "iot_class", "local"), "iot_class"),
    "an unknown type": Break(SCHEMA, put(MANIFEST, "integration_type", "tts"), "integration_type"),
    "an unknown scale": Break(SCHEMA, put(MANIFEST, "quality_scale", "brass"), "quality_scale"),
    "a requirement without a pin": Break(
        SCHEMA, put(MANIFEST, "requirements", ["numpy>=2"]), "requirements"
    ),
    "an upper-case zeroconf type": Break(
        SCHEMA, put(MANIFEST, "zeroconf", ["_IndexTTS._tcp.local."]), "zeroconf"
    ),
    "an upper-case zeroconf property": Break(
        SCHEMA,
        put(MANIFEST, "zeroconf", [{"type": "_x._tcp.local.", "properties": {"id": "A"}}]),
        "zeroconf",
    ),
    "an unsorted manifest": Break(
        manifest.manifest_is_sorted, put(MANIFEST, "after_dependencies", []), "sorted"
    ),
    "another domain": Break(
        manifest.manifest_names_its_folder, put(MANIFEST, "domain", "other"), "domain"
    ),
    "another DOMAIN": Break(
        manifest.manifest_names_its_folder,
        replace("const.py", '"indextts"', '"other"'),
        "DOMAIN",
    ),
    "no flow": Break(manifest.flow_of_the_manifest_is_there, delete("config_flow.py"), "not there"),
    "no step for zeroconf": Break(
        manifest.flow_of_the_manifest_is_there,
        replace("config_flow.py", "async_step_zeroconf(", "async_step_found("),
        "zeroconf",
    ),
    "a setup without a schema": Break(
        manifest.setup_takes_no_settings_from_yaml,
        write("__init__.py", "async def async_setup(hass, config):\n    return True\n"),
        "CONFIG_SCHEMA",
    ),
    "an import that is not declared": Break(
        dependencies.imports_are_declared,
        write("another.py", "from homeassistant.components.cloud import client\n"),
        "cloud",
    ),
    "an import in a function": Break(
        dependencies.imports_are_declared,
        write("another.py", "def f():\n    import homeassistant.components.mqtt.client\n"),
        "mqtt",
    ),
    "a dependency that is none": Break(
        dependencies.declared_integrations_exist,
        put(MANIFEST, "dependencies", ["gramophone"]),
        "gramophone",
    ),
    "an unknown section": Break(texts.texts_fit_their_schema, put(ENGLISH, "jokes", {}), "jokes"),
    "an entity of no platform": Break(
        texts.texts_fit_their_schema, put(ENGLISH, "entity.robot.x", {"name": "X"}), "robot"
    ),
    "an exception without a message": Break(
        texts.texts_fit_their_schema, put(ENGLISH, "exceptions.x", {}), "exceptions.x"
    ),
    "a key with capitals": Break(
        texts.texts_fit_their_schema, put(ENGLISH, "config.error.NoWay", "No."), "NoWay"
    ),
    "a field without a description": Break(
        texts.fields_are_described,
        put(ENGLISH, "config.step.user.data_description.port", None),
        "port",
    ),
    "HTML": Break(PLAIN, put(ENGLISH, NAME, "<b>Queue</b>"), "HTML"),
    "a lone brace": Break(PLAIN, put(ENGLISH, NAME, "Queue {"), "brace"),
    "a reference": Break(PLAIN, put(ENGLISH, NAME, "[%key:common::x%]"), "refers"),
    "an address": Break(PLAIN, put(ENGLISH, NAME, "See https://example.org"), "address"),
    "a quoted placeholder": Break(PLAIN, put(ENGLISH, NAME, "The '{queue}'"), "quotes"),
    "a loose space": Break(PLAIN, put(ENGLISH, NAME, "Queue "), "space"),
    "unsorted texts": Break(texts.texts_are_sorted, put(ENGLISH, "abroad", {}), "sorted"),
    "an unknown language": Break(
        texts.languages_agree, copy(ENGLISH, "translations/klingon.json"), "klingon"
    ),
    "a text that one language lacks": Break(texts.languages_agree, german(NAME, None), NAME),
    "a text that only one language has": Break(
        texts.languages_agree, german("config.error.new", "Neu"), "config.error.new"
    ),
    "a forgotten placeholder": Break(
        texts.languages_agree, german("config.flow_title", "IndexTTS"), "config.flow_title"
    ),
    "strings.json": Break(
        texts.only_translations_hold_texts, write("strings.json", "{}"), "does not read"
    ),
    "a step without texts": Break(
        keys.steps_have_texts,
        a_step("config", 'return self.async_show_form(step_id="colour")'),
        "config.step.colour is missing",
    ),
    "texts without a step": Break(
        keys.steps_have_texts, put(ENGLISH, "config.step.gone", {}), "config.step.gone"
    ),
    "an options step without texts": Break(
        keys.steps_have_texts,
        a_step("options", 'return self.async_show_form(step_id="tune")'),
        "options.step.tune is missing",
    ),
    "an abort without a sentence": Break(
        keys.endings_have_texts,
        a_step("config", 'return self.async_abort(reason="gone" if self else "lost")'),
        "config.abort.lost is missing",
    ),
    "an abort of core's without a sentence": Break(
        keys.endings_have_texts, put(ENGLISH, "config.abort.already_configured", None), "missing"
    ),
    "a reauthentication without an end": Break(
        keys.endings_have_texts, put(ENGLISH, "config.abort.reauth_successful", None), "missing"
    ),
    "a sentence for no abort": Break(
        keys.endings_have_texts, put(ENGLISH, "config.abort.over", "Over."), "used nowhere"
    ),
    "an error without a sentence": Break(
        keys.errors_have_texts,
        a_step("config", 'errors["base"] = "broken"'),
        "config.error.broken is missing",
    ),
    "an error in a literal without a sentence": Break(
        keys.errors_have_texts,
        a_step("config", 'return self.async_show_form(errors={"base": "cracked"})'),
        "config.error.cracked is missing",
    ),
    "a sentence for no error": Break(
        keys.errors_have_texts, put(ENGLISH, "config.error.over", "Over."), "used nowhere"
    ),
    "an exception without a sentence": Break(
        keys.exceptions_have_texts,
        write("another.py", 'E(translation_domain=DOMAIN, translation_key="odd")\n'),
        "exceptions.odd is missing",
    ),
    "an error class without a sentence": Break(
        keys.exceptions_have_texts,
        write("client/another.py", 'class OddError(Exception):\n    code = "odd"\n'),
        "exceptions.odd is missing",
    ),
    "a sentence for no exception": Break(
        keys.exceptions_have_texts,
        put(ENGLISH, "exceptions.over", {"message": "Over."}),
        "used nowhere",
    ),
    "a sentence that no f-string makes": Break(
        keys.exceptions_have_texts,
        put(ENGLISH, "exceptions.option_over", {"message": "Over."}),
        "option_over is used nowhere",
    ),
    "an issue without texts": Break(
        keys.issues_have_texts,
        write(
            "another.py",
            'KEY = "lost"\nir.async_create_issue(hass, DOMAIN, "x", translation_key=KEY)\n',
        ),
        "issues.lost is missing",
    ),
    "texts for no issue": Break(
        keys.issues_have_texts, put(ENGLISH, "issues.over", {"title": "Over"}), "used nowhere"
    ),
    "an entity without a name": Break(
        keys.entities_have_texts,
        append("sensor.py", '\n_MORE = SensorEntityDescription(key="mood")\n'),
        "entity.sensor.mood is missing",
    ),
    "a constructed entity without a name": Break(
        keys.entities_have_texts, put(ENGLISH, "entity.tts.speech", None), "missing"
    ),
    "a name for no entity": Break(
        keys.entities_have_texts, put(ENGLISH, "entity.sensor.over.name", "Over"), "used nowhere"
    ),
    "a state without a word": Break(
        keys.states_have_texts, put(ENGLISH, "entity.sensor.state.state.ready", None), "missing"
    ),
    "a word for no state": Break(
        keys.states_have_texts,
        put(ENGLISH, "entity.sensor.state.state.bored", "Bored"),
        "used nowhere",
    ),
    "system information without a label": Break(
        keys.health_has_texts,
        append("system_health.py", '\nasync def _more_info(hass):\n    return {"mood": 1}\n'),
        "system_health.info.mood is missing",
    ),
    "a label for no system information": Break(
        keys.health_has_texts, put(ENGLISH, "system_health.info.over", "Over"), "used nowhere"
    ),
    "actions without services.yaml": Break(
        actions.actions_are_listed, delete(SERVICES), "cannot be read"
    ),
    "an action that is not listed": Break(
        actions.actions_are_listed,
        write("another.py", 'hass.services.async_register(DOMAIN, "hum", hum)\n'),
        "hum is missing",
    ),
    "an entity action that is not listed": Break(
        actions.actions_are_listed,
        write(
            "another.py",
            'HUM = "hum"\nservice.async_register_platform_entity_service(hass, DOMAIN, HUM)\n',
        ),
        "hum is missing",
    ),
    "an action that nothing registers": Break(
        actions.actions_are_listed, append(SERVICES, "\nwhistle:\n"), "nothing registers whistle"
    ),
    "an unknown selector": Break(
        actions.action_fields_have_selectors,
        append(SERVICES, "\nhum:\n  fields:\n    tune:\n      selector:\n        ear: {}\n"),
        "hum.tune",
    ),
    "a field without a selector": Break(
        actions.action_fields_have_selectors,
        append(SERVICES, "\nhum:\n  fields:\n    tune:\n      required: true\n"),
        "hum.tune",
    ),
    "an unknown target": Break(
        actions.action_fields_have_selectors,
        append(SERVICES, "\nhum:\n  target:\n    ear: {}\n"),
        "hum",
    ),
    "an action without texts": Break(
        actions.actions_are_described, append(SERVICES, "\nhum:\n"), "services.hum"
    ),
    "a field without texts": Break(
        actions.actions_are_described,
        append(
            SERVICES,
            "\nstop:\n  fields:\n    more:\n      fields:\n        at:\n          selector:\n"
            "            text:\n",
        ),
        "services.stop.fields.at",
    ),
    "an action without an icon": Break(
        actions.icons_are_complete, append(SERVICES, "\nhum:\n"), "services.hum.service"
    ),
    "an entity without an icon": Break(
        actions.icons_are_complete,
        append("sensor.py", '\n_MORE = SensorEntityDescription(key="mood")\n'),
        "entity.sensor.mood.default",
    ),
    "an icon of another set": Break(
        actions.icons_are_complete, put("icons.json", "entity.tts.speech.default", "fa:x"), "mdi:"
    ),
    "an icon for nothing": Break(
        actions.icons_are_complete, put("icons.json", "services.hum.service", "mdi:x"), "hum"
    ),
    "no icon of the brand": Break(ICON, delete("brand/icon.png"), "missing"),
    "an image with an odd name": Break(ICON, draw("hero.png", (256, 256)), "nobody asks"),
    "an icon of another size": Break(ICON, draw("icon.png", (128, 128)), "256 pixels"),
    "a large icon of another size": Break(ICON, draw("icon@2x.png", (256, 256)), "512 pixels"),
    "a logo that is too low": Break(ICON, draw("logo.png", (500, 100)), "shorter side"),
    "an image that is no PNG": Break(ICON, draw("logo.png", (256, 256), "GIF"), "not PNG"),
    "an image that is none": Break(ICON, write("brand/logo.png", "logo"), "no image"),
    "an image with a margin": Break(ICON, draw("icon.png", (256, 256), margin=9), "margin"),
    "an image twice": Break(
        brand.brand_images_differ, copy("brand/icon.png", "brand/logo.png"), "icon.png again"
    ),
    "an unknown key of the catalogue": Break(HACS_FITS, put(HACS, "domains", []), "domains"),
    "no name in the catalogue": Break(HACS_FITS, put(HACS, "name", None), "name"),
    "a floor that is not tested": Break(
        HACS_FITS, put(HACS, "homeassistant", "2024.1.0"), "homeassistant"
    ),
    "a floor that is no version": Break(HACS_FITS, put(HACS, "homeassistant", "new"), "no version"),
    "a zip release without a file": Break(
        HACS_FITS, put(HACS, "zip_release", value=True), "release"
    ),
    "a second integration": Break(
        catalogue.one_integration_lies_here, write("../zither/manifest.json", "{}"), "second"
    ),
    "a README without HACS": Break(
        catalogue.readme_introduces_it, replace("../../README.md", "HACS", "it"), "HACS"
    ),
    "no README": Break(catalogue.readme_introduces_it, delete("../../README.md"), "name"),
    "no licence": Break(catalogue.licence_is_open, delete("../../LICENSE"), "licence"),
    "a licence of one's own": Break(
        catalogue.licence_is_open, write("../../LICENSE", "Mine."), "licence"
    ),
    "no quality scale": Break(scale.every_rule_is_answered, delete(SCALE), "cannot be read"),
    "a rule without an answer": Break(
        scale.every_rule_is_answered, write(SCALE, "rules:\n  brands: done\n"), "action-setup"
    ),
    "an unknown rule": Break(
        scale.every_rule_is_answered, append(SCALE, "\n  be-nice: done\n"), "be-nice"
    ),
    "a rule with an odd status": Break(
        scale.every_rule_is_answered, append(SCALE, "\n  brands: maybe\n"), "brands has no status"
    ),
    "an exemption without a reason": Break(
        scale.every_rule_is_answered, append(SCALE, "\n  brands: exempt\n"), "no reason"
    ),
    "a scale that is not earned": Break(
        scale.claimed_scale_is_earned,
        both(put(MANIFEST, "quality_scale", "bronze"), append(SCALE, "\n  brands: todo\n")),
        "brands is to do",
    ),
}


@pytest.fixture
def copied(tmp_path: Path) -> Repository:
    """Copy what is checked, so that it can be broken."""
    root = tmp_path / "copy"
    root.mkdir()
    for name in CHECKED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, root / name)
    return Repository(root)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_repository_is_clean(check: Check) -> None:
    assert [str(finding) for finding in found(check, Repository(ROOT))] == []


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_what_is_broken_is_found(copied: Repository, broken: Break) -> None:
    before = found(broken.check, copied)
    broken.change(copied.folder)
    new = {*found(broken.check, Repository(copied.root))} - {*before}
    assert any(broken.word in str(finding) for finding in new), new


def test_every_check_is_broken_once() -> None:
    assert {broken.check for broken in BREAKS.values()} == {*CHECKS}


def test_findings_end_the_command_with_an_error(
    copied: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    put(MANIFEST, "colour", "red")(copied.folder)
    assert main(copied.root) == 1
    said = capsys.readouterr().out.splitlines()
    path = "custom_components/indextts/manifest.json"
    assert any(line.startswith(f"{path}: colour:") and line.endswith(".") for line in said)


def test_a_folder_without_an_integration_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path / "empty") == 1
    assert "no folder holds a manifest.json" in capsys.readouterr().out


def test_a_clean_repository_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(ROOT), capsys.readouterr().out) == (0, "")
