"""Both catalogues are complete, compiled, and say what the code says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

from config.words import CATALOGUES, ROOT

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")


def entries(path: Path) -> list[polib.POEntry]:
    return list(polib.pofile(str(path)))


def texts(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("language", CATALOGUES)
def test_nothing_is_empty_or_fuzzy(language):
    poor = [entry.msgid for entry in entries(CATALOGUES[language]) if entry.fuzzy or not all(texts(entry)) or entry.obsolete]
    assert poor == []


@pytest.mark.parametrize("language", CATALOGUES)
def test_placeholders_are_those_of_the_original(language):
    differing = [
        entry.msgid
        for entry in entries(CATALOGUES[language])
        for text in texts(entry)
        if set(PLACEHOLDER.findall(text))
        not in (set(PLACEHOLDER.findall(entry.msgid)), set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid)))
    ]
    assert differing == []


@pytest.mark.parametrize("language", CATALOGUES)
def test_the_compiled_catalogue_is_the_written_one(language):
    def table(catalogue):
        return {(entry.msgctxt, entry.msgid): (entry.msgstr, entry.msgstr_plural) for entry in catalogue}

    path = CATALOGUES[language]
    assert table(polib.mofile(str(path.with_suffix(".mo")))) == table(polib.pofile(str(path)))


def test_chinese_is_chinese():
    """A text of more than a few letters that holds no Chinese character was forgotten, unless it is a name."""
    forgotten = [
        entry.msgid
        for entry in entries(CATALOGUES["zh_Hans"])
        for text in texts(entry)
        if re.search(r"[A-Za-z]{4}", re.sub(r"%\(\w+\)[sd]|\{\w+\}|Hengtou|English|EASE|nDCG@10|Recall@10", "", text))
        and not re.search(r"[一-鿿]", text)
    ]
    assert forgotten == []


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="Debian's gettext is not installed: the catalogues cannot be collected afresh")
def test_the_catalogues_are_not_stale(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", "var", ".git", "vendor", "__pycache__", ".*_cache"))
    subprocess.run(
        [sys.executable, "-c", "from config.words import collect; collect()"],
        cwd=copy,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "."},
        timeout=300,
    )
    for language, path in CATALOGUES.items():
        fresh = {(entry.msgctxt, entry.msgid) for entry in entries(copy / path.relative_to(ROOT)) if not entry.obsolete}
        assert fresh == {(entry.msgctxt, entry.msgid) for entry in entries(path)}, language
