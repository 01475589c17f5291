"""What a message may say and when it may leave: pure rules over the tables of a jurisdiction."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
KNOWN_PLACEHOLDERS = frozenset({"name"})
WORD = re.compile(r"[a-z0-9]+")
SPELT_OUT = re.compile(r"(?<= )[a-z](?: [a-z]){2,}(?= )")
GAP_IN_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff])[ \t\u3000]+|[ \t\u3000]+(?=[\u4e00-\u9fff])")


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Banned words of a script without spaces, banned phrases of one with, and patterns that promise a return."""

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    promises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until `end` of the wall clock, over midnight when `start` is the later of the two."""

    start: time
    end: time
    timezone: str


def banned_claims(text: str, rules: ClaimRules) -> list[str]:
    """Return what in the text may not be said, as it is written in the rules or, for a promise of return, in the text.

    Width, case, accents, spaces and punctuation are folded before words are compared, so that none of them hides a
    word; a phrase is also found written as one word, or letter by letter.
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    folded = "".join(c for c in plain if unicodedata.category(c) not in {"Cf", "Mn"})
    squeezed = "".join(c for c in folded if c.isalnum())
    spaced = f" {' '.join(WORD.findall(folded))} "
    spaced = SPELT_OUT.sub(lambda letters: letters.group(0).replace(" ", ""), spaced)
    found = [word for word in rules.words if word in squeezed]
    for phrase in rules.phrases:
        words = WORD.findall(phrase.casefold())
        if f" {' '.join(words)} " in spaced or f" {''.join(words)} " in spaced:
            found.append(phrase)
    closed_up = GAP_IN_CHINESE.sub("", folded)
    for pattern in rules.promises:
        found += [match.group(0).strip() for match in re.finditer(pattern, closed_up)]
    return list(dict.fromkeys(found))


def unknown_placeholders(text: str) -> list[str]:
    """Return the {placeholders} of the text that nothing would fill."""
    return sorted({name for name in PLACEHOLDER.findall(text) if name not in KNOWN_PLACEHOLDERS})


def fill(text: str, name: str) -> str:
    """Put the person's name, on one line, where the text says {name}."""
    return text.replace("{name}", " ".join(name.split()))


def quiet_until(now: datetime, quiet: QuietHours) -> datetime | None:
    """Return when the quiet hours that `now` (aware) falls into end, or None outside them."""
    here = now.astimezone(ZoneInfo(quiet.timezone))
    clock = here.time()
    over_midnight = quiet.start > quiet.end
    is_quiet = (clock >= quiet.start or clock < quiet.end) if over_midnight else quiet.start <= clock < quiet.end
    if not is_quiet:
        return None
    day = here.date() + timedelta(days=1) if over_midnight and clock >= quiet.start else here.date()
    return datetime.combine(day, quiet.end, tzinfo=here.tzinfo)
