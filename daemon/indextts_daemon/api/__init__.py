"""The HTTP door: routes, access, validation, errors. The only room of the front that knows aiohttp."""
