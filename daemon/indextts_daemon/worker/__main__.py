"""`python -m indextts_daemon.worker N`: be a worker on the inherited socket N."""

import sys

from indextts_daemon.worker.main import main

sys.exit(main(int(sys.argv[1])))
