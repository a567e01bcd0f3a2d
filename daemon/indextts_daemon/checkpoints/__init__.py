"""Models as files: where they are, where they come from, what they are. Knows no torch."""
