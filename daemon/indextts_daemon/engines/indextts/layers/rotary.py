"""Rotary positions: neighboring pairs of a head turn by an angle that grows with the position.

T positions, D width of a head.
"""

import torch
from torch import Tensor

BASE = 10000.0


def turns(positions: int, width: int, device: torch.device, base: float = BASE) -> Tensor:
    """Return cosine and sine of each position's angles, (2,T,D/2), in float32."""
    exponents = torch.arange(0, width, 2, dtype=torch.float32, device=device) / width
    places = torch.arange(positions, dtype=torch.float32, device=device)
    angles = torch.outer(places, 1.0 / base**exponents)
    return torch.stack((angles.cos(), angles.sin()))


def turn(x: Tensor, by: Tensor) -> Tensor:
    """Return x (...,T,D), each pair of it turned by (2,T,D/2)."""
    cosine, sine = by
    even, odd = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return turned.flatten(-2).to(x.dtype)
