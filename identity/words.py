"""Words of Django and allauth that our catalogues say in their own way, or that have no Chinese there; `make words` collects them."""

from django.utils.translation import gettext_noop, ngettext_lazy

LABELS = [
    gettext_noop("Code"),
    gettext_noop("Authenticator code"),
    gettext_noop("Use authenticator app or code"),
]
ERRORS = [
    gettext_noop("Incorrect code."),
    gettext_noop("Incorrect password."),
    gettext_noop("The email address and/or password you specified are not correct."),
    gettext_noop("The phone number and/or password you specified are not correct."),
    ngettext_lazy(
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
]
NOTICES = [
    gettext_noop("A sign-in code has been sent to %(recipient)s."),
    gettext_noop("You have signed out."),
]
