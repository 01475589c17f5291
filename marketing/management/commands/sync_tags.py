"""manage.py sync_tags: the shipped tags as rows. Run after migrate."""

from typing import Any

from django.core.management.base import BaseCommand

from marketing.services import sync_tags


class Command(BaseCommand):
    help = (
        "Keep the tags that came with the product as rows, each with a place for its bit. Tags of marketers are left alone. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = sync_tags()
        self.stdout.write(f"tags made: {done.made}, changed: {done.changed}, retired: {done.retired}")
