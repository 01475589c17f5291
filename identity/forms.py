"""Sign-up and sign-in: one field takes a mobile number as people type it, or an e-mail address."""

from typing import Any

from allauth.account import forms as allauth_forms
from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from identity.models import User
from identity.phone import looks_like_phone, normalise
from identity.services import is_unclaimed, release_unclaimed


class PhoneField(forms.CharField):
    widget = forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"})

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Mobile number"))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> str:
        typed = super().to_python(value)
        return normalise(typed) if typed else ""


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Mobile number or e-mail address")
        self.fields["remember"].label = _("Stay signed in on this device")

    def clean_login(self) -> str:
        login = super().clean_login()
        return normalise(login) if looks_like_phone(login) else login.lower()


class RequestLoginCodeForm(allauth_forms.RequestLoginCodeForm):  # type: ignore[misc]
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        if not self.errors and not cleaned.get("phone") and not cleaned.get("email"):
            raise ValidationError(_("Give your mobile number or your e-mail address: the code is sent there."))
        # Somebody else may have begun to sign up with this number and a password of their own: a code must not hand
        # them the account of the person who really has the number.
        user: User | None = getattr(self, "_user", None)
        self._user = None if user and is_unclaimed(user) else user
        return cleaned


class SignupForm(allauth_forms.SignupForm):  # type: ignore[misc]
    name = forms.CharField(
        label=_("How should we address you?"), max_length=80, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )

    field_order = ["name", "phone", "email", "password1"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phone"].label = _("Mobile number")
        self.fields["email"].label = _("E-mail address")
        self.fields["email"].required = self.fields["email"].widget.is_required = False
        self.fields["email"].help_text = _("Instead of the number, or as well: one of the two is enough.")
        self.fields["password1"].help_text = _("At least 8 characters, not only digits. Without one you sign in with a code.")

    def clean_email(self) -> str:
        release_unclaimed(email=self.cleaned_data["email"])
        email: str = super().clean_email()
        return email

    def _clean_phone(self) -> None:
        release_unclaimed(phone=self.cleaned_data.get("phone"))
        super()._clean_phone()

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        saved: tuple[User | None, HttpResponse | None]
        try:
            saved = super().try_save(request)
        except IntegrityError:  # the other of two clicks, or of two people with one number, was quicker
            self.account_already_exists = True
            saved = super().try_save(request)
        return saved

    def save(self, request: HttpRequest) -> User:
        with transaction.atomic():
            user: User = super().save(request)
        return user

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        if not self.errors and not cleaned.get("phone") and not cleaned.get("email"):
            raise ValidationError(_("Give a mobile number or an e-mail address: you sign in with it."))
        return cleaned
