from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from marketing.services import refresh_portraits


class Command(BaseCommand):
    help = "Bring profiles up to date, and what rests on them: who sleeps, tags, and the day's figures. As the nights do, but now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--full", action="store_true", help="build everybody's profile anew")

    def handle(self, *args: Any, **options: Any) -> None:
        refresh_portraits(is_full=options["full"], say=self.stdout.write)
