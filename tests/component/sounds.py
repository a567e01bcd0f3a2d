"""Real sound for the component's tests, made and measured by Home Assistant's own ffmpeg."""

import json
from subprocess import run

from custom_components.indextts.client import SpeechOrder

SECONDS = 1.5

_ENCODERS = {
    "flac": ["-f", "flac"],
    "mp3": ["-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"],
    "opus": ["-c:a", "libopus", "-page_duration", "20000", "-f", "ogg"],
    "wav": ["-f", "wav"],  # into a pipe: a header that leaves the length open
}


def encoded(order: SpeechOrder) -> bytes:
    """Return a tone as the daemon would encode it for `order`."""
    rate = order.sample_rate or (48000 if order.response_format == "opus" else 24000)
    tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}:sample_rate={rate}"]
    command = ["ffmpeg", "-v", "error", *tone, "-ac", "1", *_ENCODERS[order.response_format], "-"]
    return run(command, capture_output=True, check=True).stdout


def measured(sound: bytes) -> tuple[str, int, int, float]:
    """Return a sound's codec, its rate, its channels and how many seconds it lasts."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", "-"]
    answer = run(command, input=sound, capture_output=True, check=True).stdout
    (stream,) = json.loads(answer)["streams"]
    rate, channels = int(stream["sample_rate"]), stream["channels"]
    command = ["ffmpeg", "-v", "error", "-i", "-", "-ar", str(rate), "-f", "s16le", "-"]
    pcm = run(command, input=sound, capture_output=True, check=True).stdout
    return stream["codec_name"], rate, channels, len(pcm) / 2 / channels / rate
