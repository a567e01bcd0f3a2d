"""From float32 frames to bytes that a player understands."""
