from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from demo.logins import COLLEAGUES, DEMO_LOGINS
from demo.services import NotADemo, load_demo_world


class Command(BaseCommand):
    help = "Load the simulated world: market, pool, staff, investors with two years of orders and visits. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--investors", type=int, default=2000)
        parser.add_argument("--funds", type=int, default=600)
        parser.add_argument("--events", type=int, help="about how many events in all; 25 an investor if nothing is said")
        parser.add_argument("--seed", type=int, default=2026)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["investors"] < 10 or options["funds"] < 80:
            raise CommandError("A world has at least 10 investors and 80 funds.")
        try:
            load_demo_world(
                n_investors=options["investors"],
                n_funds=options["funds"],
                n_events=options["events"],
                seed=options["seed"],
                report=self.stdout.write,
            )
        except NotADemo as error:
            raise CommandError(str(error)) from None
        for login in DEMO_LOGINS + COLLEAGUES:
            self.stdout.write(f"  {login.role:<11} {login.email:<38} {login.password}")
