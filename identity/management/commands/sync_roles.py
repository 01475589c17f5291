from typing import Any

from django.core.management.base import BaseCommand

from identity.services import sync_roles


class Command(BaseCommand):
    help = "Make the roles' groups and permissions what each app's roles.py says. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        changed = sync_roles()
        self.stdout.write(f"roles changed: {', '.join(changed)}" if changed else "roles are as declared")
