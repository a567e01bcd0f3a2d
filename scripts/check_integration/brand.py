"""Checks of the images by which people know the integration."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from homeassistant.components.brands.const import ALLOWED_IMAGES
from PIL import Image, UnidentifiedImageError

from .repository import Finding, Repository

_ICON_SIDE: Final = 256
_LOGO_SIDES: Final = (128, 256)


def brand_images_are_taken(repository: Repository) -> Iterator[Finding]:
    """Want every image to have a name, a format and a size that Home Assistant serves."""
    if not repository.has("brand/icon.png"):
        yield repository.finding("brand/icon.png", "it is missing", "Draw one, 256 by 256")
    for path in _images(repository):
        name = f"brand/{path.name}"
        if path.name not in ALLOWED_IMAGES:
            yield repository.finding(name, "nobody asks for this name", "Rename or delete it")
        elif what := _blemish(path):
            yield repository.finding(name, what, "Draw it again")


def brand_images_differ(repository: Repository) -> Iterator[Finding]:
    """Want no image to be a copy of another: what is missing falls back by itself."""
    seen: dict[str, str] = {}
    for path in _images(repository):
        first = seen.setdefault(sha256(path.read_bytes()).hexdigest(), path.name)
        if first != path.name:
            yield repository.finding(f"brand/{path.name}", f"it is {first} again", "Delete it")


def _images(repository: Repository) -> list[Path]:
    return sorted((repository.folder / "brand").glob("*"))


def _blemish(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            picture_format, (width, height) = image.format, image.size
            box = image.getchannel("A").getbbox() if "A" in image.getbands() else None
    except UnidentifiedImageError:
        return "it is no image"
    scale = 2 if "@2x" in path.name else 1
    if picture_format != "PNG":
        return f"it is {picture_format}, not PNG"
    if "icon" in path.name and (width, height) != (scale * _ICON_SIDE, scale * _ICON_SIDE):
        return f"an icon is {scale * _ICON_SIDE} pixels wide and high, this is {width} x {height}"
    if not scale * _LOGO_SIDES[0] <= min(width, height) <= scale * _LOGO_SIDES[1]:
        return f"its shorter side of {min(width, height)} pixels is not within the limits"
    if box and box[2] - box[0] < width and box[3] - box[1] < height:
        return "it has an empty margin all around"
    return None
