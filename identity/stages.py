"""A step of signing in: the e-mail address is shown to be one's own."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage


class EmailStage(EmailVerificationStage):  # type: ignore[misc]
    """Asks for the code sent to a new address. Whoever has no address, or had it entered by the operator, has none to show."""

    def handle(self) -> tuple[Any, bool]:
        user = self.login.user
        if user is not None and not EmailAddress.objects.filter(user=user).exists():
            return None, True
        if user is None and not self.login.email:
            return None, False
        answer: tuple[Any, bool] = super().handle()
        return answer
