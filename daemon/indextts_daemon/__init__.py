"""IndexTTS daemon: a household's voice, served over the LAN."""

import os

__version__ = "0.1.0"

# onnxruntime reports its host to its maker unless it is told not to before it is imported. Nothing
# leaves the house: every process of ours starts here, and its children inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
