"""Fixtures of more than one module."""

from tests.marketing.next_action_world import funds
from tests.marketing.night_world import market

__all__ = ["funds", "market"]
