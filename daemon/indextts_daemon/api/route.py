"""One row of the route table."""

from dataclasses import dataclass, field

from aiohttp import web
import voluptuous as vol

from .keys import Handler


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One address: who answers it, whom it lets in, what goes in and what comes out."""

    method: str
    path: str
    handler: Handler
    body: vol.Schema | tuple[str, ...] | None = None  # or the media types of a document
    form: vol.Schema | None = None  # instead of a body: what is said beside the part `audio`
    answers: dict[int, vol.Schema | str | None] = field(default_factory=dict)  # or a media type
    errors: tuple[int, ...] = (401, 500)
    query: dict[str, str] = field(default_factory=dict)  # a switch, and what it does
    headers: dict[str, str] = field(default_factory=dict)  # of a good answer, beside the usual
    description: str = ""  # what the table cannot say
    open: bool = False  # answered without the token
    head: bool = False  # HEAD is answered too, as GET without the body

    @property
    def summary(self) -> str:
        """What it does, in the handler's own words."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")


ROUTE_TABLE = web.AppKey("route_table", tuple[Route, ...])
