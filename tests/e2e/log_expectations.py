"""What a test expects Home Assistant to complain about: all else is a failure, and so is less."""

import re


class LogExpectations:
    """Regular expressions, each for at least one complaint."""

    def __init__(self) -> None:
        self._expected: list[str] = []

    def expect(self, *patterns: str) -> None:
        self._expected += patterns

    def check(self, complaints: list[str]) -> None:
        """Every complaint was expected and is in words, and every expected one came."""
        surprises = [one for one in complaints if not self._expects(one) or "Traceback" in one]
        assert not surprises, "Home Assistant complained:\n" + "\n".join(surprises)
        missed = [p for p in self._expected if not any(re.search(p, one) for one in complaints)]
        assert not missed, f"Home Assistant should have complained of {missed}: {complaints}"

    def _expects(self, complaint: str) -> bool:
        return any(re.search(pattern, complaint) for pattern in self._expected)
