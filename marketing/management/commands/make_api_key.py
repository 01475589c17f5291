from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketing.models import ApiKey
from marketing.services.api_keys import make_api_key


class Command(BaseCommand):
    help = "Make a key for the API and print it, once. It cannot be shown again; administrators can revoke it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of the system that will hold the key")
        parser.add_argument(
            "--scope",
            action="append",
            choices=ApiKey.Scope.values,
            help="a right of the key; may be repeated; events:write if none is named",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not name or len(name) > 80:
            raise CommandError("A name has 1 to 80 characters.")
        _key, text = make_api_key(name=name, scopes=options["scope"] or [ApiKey.Scope.WRITE_EVENTS])
        self.stdout.write(text)
