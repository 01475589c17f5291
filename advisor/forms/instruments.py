"""A questionnaire's file brought in by hand, and its publication."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.errors import Refused
from advisor.instruments import LONGEST_FILE
from advisor.models import InstrumentVersion
from advisor.selectors.instrument_words import finding_sentence, problem_sentence
from advisor.services.instruments import LONGEST_REASON, BadInstrument, make_draft, publish_instrument

SENTENCES = {
    "name_shipped": gettext_lazy("The name “%(name)s” belongs to the questionnaires that come with the product. Choose another one."),
    "version_taken": gettext_lazy("There is a version %(key)s already, and it is not a draft of yours. Choose the next number."),
    "four_eyes": gettext_lazy("You made this version: another supervisor must publish it."),
    "reason_too_short": gettext_lazy("Give the reason in at least %(least)s characters."),
    "reason_too_long": gettext_lazy("Give the reason in at most %(most)s characters."),
    "not_draft": gettext_lazy("%(key)s was changed or published meanwhile. Look at it again."),
}


class InstrumentForm(forms.Form):
    """The file of a draft. A valid form has its text."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("YAML in UTF-8, as docs/instruments.md describes it."),
        max_length=200,
        error_messages={"empty": gettext_lazy("The file is empty."), "required": gettext_lazy("Choose a file.")},
    )

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file.size > 4 * LONGEST_FILE:
            raise forms.ValidationError(_("The file is far too long for a questionnaire."))
        try:
            return str(file.read().decode("utf-8"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("The file is not UTF-8 text.")) from error

    def keep(self, actor: Any) -> InstrumentVersion | None:
        """Keep the draft; None where it is refused, and the form says why."""
        try:
            return make_draft(text=self.cleaned_data["file"], actor=actor)
        except BadInstrument as error:
            for problem in error.problems:
                self.add_error("file", problem_sentence(problem.code, problem.where, problem.params))
        except Refused as refused:
            self.add_error("file", str(SENTENCES[refused.code]) % refused.params)
        return None


class PublishForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        widget=forms.Textarea(attrs={"rows": 2, "minlength": 10, "maxlength": LONGEST_REASON}),
        max_length=LONGEST_REASON,
    )
    is_corrective = forms.BooleanField(
        label=gettext_lazy("It corrects a fault: everybody answers it within 60 days, not only when their level expires"), required=False
    )

    def publish(self, version: InstrumentVersion, actor: Any) -> bool:
        """Publish the version; False where it is refused, and the form says why."""
        said = self.cleaned_data
        try:
            publish_instrument(version=version, reason=said["reason"], is_corrective=said["is_corrective"], actor=actor)
        except Refused as refused:
            if refused.code == "refused_by_linter":
                findings: Any = refused.params["findings"]
                for finding in findings:
                    self.add_error(None, finding_sentence(finding))
            else:
                self.add_error(None, str(SENTENCES[refused.code]) % refused.params)
            return False
        return True
