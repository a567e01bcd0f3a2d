"""What the daemon is measured against: the few lines of HTTP that anybody would write first.

Two threads call the library; the answer is a whole WAV. No queue, no limits, no access, no choice.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
import io
import sys
import wave

from aiohttp import web
import numpy as np

from .direct import SAMPLE_RATE, Speak, library

THREADS = 2


def build_app(speak: Speak) -> web.Application:
    """Make the application around the library."""
    threads = ThreadPoolExecutor(THREADS)

    async def speech(request: web.Request) -> web.Response:
        body = await request.json()
        loop = asyncio.get_running_loop()
        sound = await loop.run_in_executor(threads, _wav, speak, body["input"], body["seed"])
        return web.Response(body=sound, content_type="audio/wav")

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app = web.Application()
    app.add_routes([web.post("/v1/audio/speech", speech), web.get("/livez", livez)])
    return app


def _wav(speak: Speak, text: str, seed: int) -> bytes:
    pcm = (np.clip(speak(text, seed), -1.0, 1.0) * 32767.0).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(pcm.tobytes())
    return file.getvalue()


async def main(engine: str) -> None:
    """Serve until whoever started this hangs up."""
    runner = web.AppRunner(build_app(library(engine)), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stopping.set)
    sys.stdout.write(f"Listening on http://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await stopping.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
