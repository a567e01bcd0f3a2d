"""Turns requests into speech: queue, model processes and the one way to speak. Knows no HTTP."""
