"""The ways by which a message reaches a person. Each has a local fake: the inbox is ours, e-mail goes into files."""

from django.utils.translation import gettext_lazy as _

INBOX = "inbox"
EMAIL = "email"
CHANNELS = {INBOX: _("Inbox on this site"), EMAIL: _("E-mail")}
