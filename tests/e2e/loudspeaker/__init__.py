"""A loudspeaker for tests: Home Assistant plays, the test listens to what arrived."""
