"""The public names of demo's services, gathered from one module a noun."""

from demo.services.market import extend_market, load_market
from demo.services.world import NotADemo, load_demo_world

__all__ = [
    "NotADemo",
    "extend_market",
    "load_demo_world",
    "load_market",
]
