"""`python -m indextts_daemon` is `indextts-daemon`."""

import sys

from .cli import main

sys.exit(main())
