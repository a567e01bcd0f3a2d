"""What a language must be able to say, so that the shared rules can leave the words to it."""

from dataclasses import dataclass
from typing import Protocol

from .units import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number as it stands in an amount, and what joins it to the one in front of it."""

    number: str  # digits, with commas or one point
    negative: bool = False
    link: str = ""  # to, by, or in an equation minus, times; empty in the first


Amount = tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An amount of money; `large` is one of k, M, B, 万, 亿 or empty."""

    amount: Amount
    currency: str  # its code
    large: str = ""  # how many of them make one of the amount


class Speaker(Protocol):
    """Says in one language what the shared rules found."""

    pause: str  # between a date and a time

    def amount(self, amount: Amount, *, counted: str) -> str:
        """Say numbers in front of which nothing and behind which `counted` stands."""

    def measured(self, amount: Amount, unit: Unit, per: Unit | None, *, one: bool) -> str:
        """Say an amount of something; `one` where the thing is named after it, as in a 5 kg bag."""

    def price(self, price: Price, per: Unit | None) -> str:
        """Say a price, and for how much."""

    def fraction(
        self, whole: str, upper: str, lower: str, unit: Unit | None, per: Unit | None
    ) -> str:
        """Say a fraction, after a whole number or none, of a unit or of nothing."""

    def ratio(self, left: str, right: str) -> str:
        """Say a score or a proportion."""

    def date(self, year: str, month: int, day: int) -> str:
        """Say a date; the year may be empty."""

    def clock(self, hour: int, minute: int = 0, second: int = 0, half: str = "") -> str:
        """Say a time of day; `half` is AM, PM or empty."""

    def span(self, parts: list[tuple[int, str]]) -> str:
        """Say how long: numbers of d, h, m and s."""

    def phone(self, groups: list[str], *, abroad: bool) -> str:
        """Say a number to call, with a plus in front if `abroad`."""

    def code(self, digits: str) -> str:
        """Say digits one by one."""

    def version(self, parts: list[str], *, named: bool) -> str:
        """Say the parts of a version, which may be named by a v."""

    def address(self, parts: list[str], port: str) -> str:
        """Say an address of a network, and a port or none."""

    def gas(self, formula: str) -> str:
        """Say a formula such as CO2."""
