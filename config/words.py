"""`make words`: collect every string, fill the English catalogue with itself, compile both.

Chinese is written by people in locale/zh_Hans/LC_MESSAGES/django.po; this lists what is still missing there.
Collecting needs Debian's gettext; compiling needs nothing but polib.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = {language: ROOT / "locale" / language / "LC_MESSAGES" / "django.po" for language in ("zh_Hans", "en")}
IGNORED = [".venv", "var", "tests", "benchmarks", "static"]


def collect() -> None:
    """Bring both .po files up to date with the code; nothing is guessed from similar strings."""
    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.chdir(ROOT)
    django.setup()
    call_command(
        "makemessages", locale=list(CATALOGUES), ignore_patterns=IGNORED, no_location=True, no_obsolete=True, no_wrap=True, verbosity=0
    )


def finish() -> list[str]:
    """Fill English, clear fuzzy marks, compile; returns the strings without Chinese."""
    import polib

    missing: list[str] = []
    for language, path in CATALOGUES.items():
        catalogue = polib.pofile(str(path), wrapwidth=0)
        catalogue.metadata_is_fuzzy = False
        catalogue.metadata = catalogue.metadata | {
            "Project-Id-Version": "hengtou", "POT-Creation-Date": "", "PO-Revision-Date": "", "Last-Translator": "", "Language-Team": "",
            "Language": language, "Report-Msgid-Bugs-To": "", "Content-Type": "text/plain; charset=UTF-8",
            "Plural-Forms": "nplurals=1; plural=0;" if language == "zh_Hans" else "nplurals=2; plural=(n != 1);",
        }  # fmt: skip
        for entry in catalogue:
            if entry.fuzzy:  # a guess by similarity is no translation
                entry.flags.remove("fuzzy")
                entry.msgstr, entry.msgstr_plural = "", {0: ""} if entry.msgid_plural else {}
            entry.previous_msgid = entry.previous_msgid_plural = entry.previous_msgctxt = None
            if language == "en":
                entry.msgstr = "" if entry.msgid_plural else entry.msgid
                entry.msgstr_plural = {0: entry.msgid, 1: entry.msgid_plural} if entry.msgid_plural else {}
            elif not (entry.msgstr or all(entry.msgstr_plural.values() or [""])):
                missing.append(entry.msgid)
        catalogue.sort(key=lambda entry: (entry.msgid.casefold(), entry.msgid))
        catalogue.save()
        catalogue.save_as_mofile(str(path.with_suffix(".mo")))
    return missing


if __name__ == "__main__":
    collect()
    still_missing = finish()
    sys.stdout.write("".join(f"no Chinese yet: {text!r}\n" for text in still_missing))
    sys.exit(bool(still_missing))
