"""Settings of the worker that the test of the nightly review kills: the product's own, and a short lease."""

from config.settings import *  # noqa: F403

READVICE_LEASE_SECONDS = 2
