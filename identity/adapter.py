"""allauth's questions, answered for people who may have a telephone number, an e-mail address, or both."""

import json
import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from identity import elder
from identity.forms import PhoneField
from identity.models import User
from identity.services import set_elder_mode


def send_sms(*, phone: str, text: str) -> None:
    """Put a text message into the SMS outbox, one file a message; an operator's gateway reads it from there."""
    name = f"{timezone.now():%Y%m%d-%H%M%S-%f}-{uuid.uuid4().hex[:8]}.json"
    (settings.SMS_FILE_PATH / name).write_text(json.dumps({"to": phone, "text": text}, ensure_ascii=False), encoding="utf-8")


class AccountAdapter(DefaultAccountAdapter):
    def phone_form_field(self, **kwargs: Any) -> forms.Field:
        return PhoneField(**kwargs)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        # allauth keeps an empty e-mail as "" and sets the phone only after saving: both break our constraints.
        user.email = (form.cleaned_data.get("email") or "").lower() or None
        user.phone = form.cleaned_data.get("phone") or None
        user.name = form.cleaned_data.get("name") or ""
        user.language = getattr(request, "LANGUAGE_CODE", settings.LANGUAGE_CODE)
        password = form.cleaned_data.get("password1")
        user.set_password(password) if password else user.set_unusable_password()
        if commit:
            user.save()
        return user

    def can_delete_email(self, email_address: EmailAddress) -> bool:
        """Never the last thing that somebody signs in with: another verified address or a verified number must remain."""
        user = email_address.user
        others = EmailAddress.objects.filter(user=user, verified=True).exclude(pk=email_address.pk)
        has_another = bool(user.phone and user.phone_verified) or others.exists()
        return has_another and bool(super().can_delete_email(email_address))

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """The elder mode survives signing in: chosen on the device it becomes the person's, and the other way round."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        if elder.is_on(request):
            set_elder_mode(user=user, is_on=True)
            elder.keep_on_device(response, is_on=True)
        return response

    def get_login_stages(self) -> list[str]:
        own = "identity.stages.EmailStage"
        return [own if stage == "allauth.account.stages.EmailVerificationStage" else stage for stage in super().get_login_stages()]

    def get_phone(self, user: User) -> tuple[str, bool] | None:
        return (user.phone, user.phone_verified) if user.phone else None

    def set_phone(self, user: User, phone: str, verified: bool) -> None:
        user.phone, user.phone_verified = phone, verified
        user.save(update_fields=["phone", "phone_verified"])

    def set_phone_verified(self, user: User, phone: str) -> None:
        user.phone_verified = True
        user.save(update_fields=["phone_verified"])

    def get_user_by_phone(self, phone: str) -> User | None:
        return User.objects.filter(phone=phone).first()

    def send_verification_code_sms(self, user: User, phone: str, code: str, **kwargs: Any) -> None:
        send_sms(phone=phone, text=_("[Hengtou] Your code is %(code)s, valid for a few minutes. We never ask you for it.") % {"code": code})

    def send_unknown_account_sms(self, phone: str, **kwargs: Any) -> None:
        send_sms(phone=phone, text=_("[Hengtou] Somebody tried to sign in with this number, which has no account with us."))

    def send_account_already_exists_sms(self, phone: str) -> None:
        send_sms(
            phone=phone, text=_("[Hengtou] Somebody tried to open an account with this number, which already has one. Sign in instead.")
        )
