"""The HTTP door: routes, access, validation, errors. Only here does the front know aiohttp."""
