from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AdvisorConfig(AppConfig):
    name = "advisor"
    verbose_name = _("Advice")

    def ready(self) -> None:
        from advisor import checks  # noqa: F401  registers the system checks
        from advisor.append_only import make_guards_after_migrate

        # The one signal: nothing else is called after every migrate, and SQLite loses triggers in one.
        post_migrate.connect(make_guards_after_migrate, sender=self)
