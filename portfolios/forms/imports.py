"""A file brought in by hand, and a decision on what waits."""

import uuid
from pathlib import Path
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portfolios.kernels.errors import DataError
from portfolios.models import ImportRun
from portfolios.selectors import error_sentence
from portfolios.services import refuse_upload_at_once, request_import, uploads_folder

MOST_BYTES = 200 * 1024 * 1024


class ImportForm(forms.Form):
    """A file and what it holds. A valid form has the file lying where the worker finds it."""

    kind = forms.ChoiceField(
        label=_("What the file holds"),
        choices=[("prices", _("Prices: a NAV a fund and day")), ("funds", _("Facts: what funds are, a row a fund"))],
        widget=forms.RadioSelect,
        initial="prices",
    )
    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV, gzipped or not, at most 200 MB."),
        max_length=200,
        error_messages={"empty": _("The file is empty."), "required": _("Choose a file.")},
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MOST_BYTES:
            size = filesizeformat(file.size or 0)
            raise forms.ValidationError(gettext("The file has %(size)s; 200 MB is the most. Gzip it, or cut it in two.") % {"size": size})
        return file

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        if file is not None and "kind" in cleaned:
            # Under a name of ours: what a browser calls a file may be any path.
            path = uploads_folder() / f"{uuid.uuid4().hex}{'.csv.gz' if str(file.name).endswith('.gz') else '.csv'}"
            with path.open("wb") as kept:
                for block in file.chunks():
                    kept.write(block)
            cleaned["path"] = path
            try:
                refuse_upload_at_once(path=path, kind=cleaned["kind"])
            except DataError as error:
                self.refuse(error)
        return cleaned

    def refuse(self, error: DataError) -> None:
        """Show why a file cannot be used, under the name the person knows, and forget it."""
        path: Path = self.cleaned_data["path"]
        path.unlink(missing_ok=True)
        told = {name: self.cleaned_data["file"].name if value == path.name else value for name, value in error.params.items()}
        self.add_error("file", error_sentence(error.code, told))

    def request(self, actor: Any) -> ImportRun | None:
        """Ask for the import; None where it is refused, and the form says why."""
        cleaned = self.cleaned_data
        try:
            return request_import(source="csv", files={cleaned["kind"]: cleaned["path"]}, file_name=cleaned["file"].name, actor=actor)
        except DataError as error:
            self.refuse(error)
        return None


class DecisionForm(forms.Form):
    """Accept or reject, and why."""

    decision = forms.ChoiceField(choices=[("accept", _("Accept")), ("reject", _("Reject"))])
    why = forms.CharField(label=_("Why (kept in the record)"), max_length=300, error_messages={"required": _("Say why.")})
