"""Fifty lines such as a household hears: no digits, about four seconds each, no two the same."""

from itertools import product

_NEWS = (
    "The washing machine downstairs is done",
    "Somebody is waiting at the garden gate",
    "The bedroom window is still wide open",
    "Dinner is nearly ready in the kitchen",
    "The front door was left unlocked again",
    "A heavy storm is coming in from the west",
    "The dishwasher has finished its program",
    "The children should be home from school",
    "The heating in the hallway is turned down",
    "Your parcel was left beside the old shed",
)
_REQUESTS = (
    "so please have a look soon",
    "and the lights come on outside",
    "but there is no need to hurry",
    "and the music will pause now",
    "so someone should take care of it",
)

SENTENCES = tuple(f"{news}, {request}." for news, request in product(_NEWS, _REQUESTS))


def sentence(number: int) -> str:
    """Return the line for the request of this number; they come round again after fifty."""
    return SENTENCES[number % len(SENTENCES)]
