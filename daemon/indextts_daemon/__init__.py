"""IndexTTS daemon: a household's voice, served over the LAN."""

__version__ = "0.1.0"
