"""Settings of the worker that the test of the nights kills: the product's own, in blocks of three people, with a pause in each."""

from config.settings import *  # noqa: F403

CELERY_IMPORTS = ("tests.advisor.small_blocks",)
