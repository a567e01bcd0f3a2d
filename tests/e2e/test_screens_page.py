"""What a person sees at the daemon's own address, by day and by night."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.daemon_process import DaemonProcess, lan_address
from tests.e2e.screens import ENGLISH, ENGLISH_PHONE, Look, Screens, looks

pytestmark = pytest.mark.asyncio(loop_scope="session")

BY_NIGHT, PHONE_BY_NIGHT = Look(dark=True), Look(phone=True, dark=True)


@pytest_asyncio.fixture(loop_scope="session")
async def impaired(tmp_path: Path) -> AsyncIterator[DaemonProcess]:
    """Run a daemon whose model cannot be loaded, so that another one stands in."""
    process = DaemonProcess(tmp_path, name="Attic", host=lan_address(), engine="fake")
    process.settle("fake: {load: fail}")
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


@looks(ENGLISH, PHONE_BY_NIGHT, long=(ENGLISH_PHONE, BY_NIGHT))
async def test_the_page_says_what_it_speaks_and_how_to_pair(
    daemon: DaemonProcess, screens: Screens
) -> None:
    await screens.visit(daemon.url)
    await screens.shows("Ready to speak")
    await screens.shows("indextts-daemon pair")
    await screens.keep("daemon-ready")


@looks(long=(ENGLISH, PHONE_BY_NIGHT))
async def test_the_page_says_who_stands_in_and_why(
    impaired: DaemonProcess, screens: Screens
) -> None:
    await screens.visit(impaired.url)
    await screens.shows("Speaks, with a stand-in")
    await screens.keep("daemon-stand-in")
