import shutil
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from advisor.models import Investor
from advisor.services.privacy import log_command
from marketing.services.person_export import export_person


class Command(BaseCommand):
    help = "Write everything that is known about a person into a ZIP, for requests that come by letter. Noted among who looked at whom."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pseudonym", required=True, help="whose data")
        parser.add_argument("--to", required=True, type=Path, help="the file to write; it must not be there yet")

    def handle(self, *args: Any, **options: Any) -> None:
        investor = Investor.objects.select_related("user").filter(pseudonym=options["pseudonym"]).first()
        if investor is None:
            raise CommandError(f"There is nobody with the pseudonym {options['pseudonym']}.")
        try:
            target = options["to"].open("xb")
        except OSError as error:
            raise CommandError(f"The file {options['to']} cannot be written: {error.strerror}.") from error
        log_command(investor=investor, what="export_person")
        with target, export_person(investor=investor) as made:
            shutil.copyfileobj(made, target)
        self.stdout.write(f"Wrote {options['to']}.")
