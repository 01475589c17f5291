"""Fixtures of more than one module."""

from tests.marketing.night_world import market

__all__ = ["market"]
