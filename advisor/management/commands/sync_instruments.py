"""manage.py sync_instruments: the shipped questionnaires as rows. Run after migrate."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from advisor.instruments import InstrumentChanged
from advisor.services.instruments import sync_instruments


class Command(BaseCommand):
    help = "Keep the questionnaires that came with the product as versions: the first one published, later ones as drafts. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            written = sync_instruments()
        except InstrumentChanged as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"questionnaires written: {', '.join(written)}" if written else "questionnaires are as shipped")
