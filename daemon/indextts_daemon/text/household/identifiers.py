"""What is named by figures: versions, addresses, numbers to call, gases, entities, hosts."""

import re

from .notation import ALONE, ENDED, JOINT, Rule, rule, words
from .speaker import Speaker

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS = rf"{ALONE}((?:{_OCTET}\.){{3}}{_OCTET})(?::(\d{{1,5}}))?(?!\d|[.,:]\d)"
_STAGE = r"(?:-?\.?(a|b|rc|beta|alpha|dev)\.?(\d{1,3})(?!\d))?"
_VERSION = rf"{ALONE}(?<!\.)\d++(?:\.\d++){{2,}}+{_STAGE}"
_NAMED = rf"(?<![A-Za-z0-9])(?:v(?:\. ?)?\d++(?:\.\d++)*+|V\d++(?:\.\d++)++){_STAGE}(?![A-Za-z0-9])"
_CALENDAR = rf"{ALONE}20[2-9]\d\.(?:1[0-2]|[1-9]){_STAGE}{ENDED}(?!\d| ?%)"
_PARTS = re.compile(r"\d+|[a-z]{2,}|(?<=\d)[ab](?=\d)")

_CALLED = (
    rf"{ALONE}(?<!-)(?:0\d{{1,4}}+(?:[ -]\d{{2,8}}+){{1,4}}+"
    rf"|\+(?:\d{{7,15}}+|\d{{1,4}}+(?:[ .-]\(?\d{{2,8}}+\)?){{1,5}}+)"
    r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|\d{3}-\d{4}"
    r"|\d{10,20}"
    r"|1\d{2}[ -]\d{4}[ -]\d{4}|[48]00[ -]\d{3,4}[ -]\d{3,4})"
    r"(?!\d|[-.,/]\d)"
)
_AMERICAN = (
    rf"{ALONE}(?<!-)(?:(?:1[-. ])?(?:\(\d{{3}}\) ?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}}|9-1-1"
    r"|\d{4}(?: \d{4}){2,4}(?: \d{1,4})?)(?!\d|[-.,/]\d)"
)
_GROUP = re.compile(r"\d+")
_SHORTEST = 7  # digits of a number that nobody said to call

_GASES = words("CO2 NO2 SO2 N2O H2O H2S CH4 NH3 SF6 O2 O3 N2 H2")
_GAS = rf"(?<![A-Za-z0-9])(e?)({'|'.join(_GASES)}|co2|h2o)(?![A-Za-z0-9])"
_PARTICLES = r"(?<![A-Za-z0-9])(?:PM[ _]?|pm_?)2[._]?5(?![0-9])"

_DOMAINS = words(
    "alarm_control_panel assist_satellite automation binary_sensor button calendar camera"
    " climate counter cover device_tracker event fan group humidifier image input_boolean"
    " input_button input_datetime input_number input_select input_text lawn_mower light lock"
    " media_player notify number person plant remote scene schedule script select sensor siren"
    " sun switch tag text timer todo tts update vacuum valve water_heater weather zone"
)
_OWNED = re.compile(
    rf"(?<![A-Za-z0-9_.@])(?:{'|'.join(_DOMAINS)})\.(?=[a-z0-9]+_)(?=[a-z0-9_]++(?![A-Z@]))"
)
_ENDINGS = words("com org net edu gov io dev app local home lan cn de uk eu info tv me")
DOT = rf"(?<=[A-Za-z0-9\x1f])\.(?=(?:{'|'.join(_ENDINGS)})(?![A-Za-z0-9_]))"
ENTITY = (
    rf"(?<![A-Za-z0-9_.@])({'|'.join(_DOMAINS)})\.(?=[a-z])(?!(?:{'|'.join(_ENDINGS)})(?![a-z]))"
)
_UNDERSCORES = re.compile(r"_+")


def spelled_out(text: str) -> str:
    """Return a text in which the ids of entities are words."""
    if "_" in text:
        text = _UNDERSCORES.sub(" ", _OWNED.sub("", re.sub(_PARTICLES, "PM2.5", text)))
    return re.sub(ENTITY, r"\1 ", text) if "." in text else text


def identifiers(speaker: Speaker) -> tuple[Rule, ...]:
    """Return the rules for what figures name, said by the speaker."""

    def address(written: re.Match[str]) -> str:
        return speaker.address(written[1].split("."), written[2] or "")

    def version(written: re.Match[str]) -> str:
        parts = _PARTS.findall(written[0].lower())
        return speaker.version(parts, named=written[0][0] in "vV")

    def gas(written: re.Match[str]) -> str:
        return (written[1] and f"{written[1]} ") + speaker.gas(written[2].upper())

    def called(written: re.Match[str]) -> str:
        groups = _GROUP.findall(written[0])
        apart = any(len(group) > 1 for group in groups)  # 9-1-1 is said without a pause
        return speaker.phone(groups if apart else ["".join(groups)], abroad=False)

    return (
        rule(_AMERICAN, called, "-. "),
        rule(_GAS, gas, "2346"),
        rule(_PARTICLES, lambda _: f"PM{JOINT}{speaker.version(['2', '5'], named=False)}", "5"),
        rule(_ADDRESS, address, "."),
        rule(_NAMED, version, "vV"),
        rule(_VERSION, version, "."),
        rule(_CALENDAR, version, "."),
    )


def numbers_to_call(speaker: Speaker) -> tuple[Rule, ...]:
    """Return the rule for numbers that look as if somebody could be called."""

    def called(written: re.Match[str]) -> str | None:
        groups = _GROUP.findall(written[0])
        if sum(map(len, groups)) < _SHORTEST:
            return None
        return speaker.phone(groups, abroad=written[0].startswith("+"))

    return (rule(_CALLED, called),)
