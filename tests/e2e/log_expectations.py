"""What a test expects Home Assistant to complain about: all else is a failure, and so is less."""

import re


class LogExpectations:
    """Regular expressions, each for at least one complaint or for an exact number of them."""

    def __init__(self) -> None:
        self._expected: dict[str, int | None] = {}
        self._allowed: set[str] = set()

    def expect(self, *patterns: str, times: int | None = None) -> None:
        self._expected |= dict.fromkeys(patterns, times)

    def allow(self, pattern: str) -> None:
        """Let there be such complaints or none: where it is a matter of who is faster."""
        self._allowed.add(pattern)

    def check(self, complaints: list[str]) -> None:
        """Every complaint was expected and is in words, and every expected one came."""
        surprises = [one for one in complaints if not self._expects(one) or "Traceback" in one]
        assert not surprises, "Home Assistant complained:\n" + "\n".join(surprises)
        for pattern, times in self._expected.items():
            count = sum(bool(re.search(pattern, one)) for one in complaints)
            assert count == times if times else count, (
                f"Home Assistant complained {count} times of {pattern!r}: {complaints}"
            )

    def _expects(self, complaint: str) -> bool:
        return any(re.search(pattern, complaint) for pattern in {*self._expected, *self._allowed})
