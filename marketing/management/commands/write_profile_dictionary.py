from typing import Any

from django.core.management.base import BaseCommand

from marketing.catalogue.dictionary import dictionary_path, profile_dictionary


class Command(BaseCommand):
    help = "Write docs/profile-fields.md anew from the catalogue of profile fields."

    def handle(self, *args: Any, **options: Any) -> None:
        dictionary_path().write_text(profile_dictionary(), encoding="utf-8")
        self.stdout.write(str(dictionary_path()))
