"""What the system says of this process."""

import os
import subprocess
import sys

from indextts_daemon.posix import children


def test_the_processes_that_we_started_are_our_children_until_they_have_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children()
        assert os.getpid() not in children()
        child.communicate(b"\n")
    assert child.pid not in children()
