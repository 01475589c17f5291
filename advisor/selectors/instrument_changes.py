"""What one version of a questionnaire changes against another, place by place and in words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from advisor.instruments import Instrument
from advisor.selectors.instrument_words import BLOCKS, EXAMPLE_MINOR, FACTS
from portfolios.templatetags.money import percent, yuan_round

Path = tuple[str, ...]
Leaves = Mapping[Path, Any]
ORDER = ""  # the place of a list's order, no code of anything
LONGEST_NAME = 40
# What the schema calls the parts of a questionnaire, in words; a test holds it against the schema.
PARTS: Mapping[str, Any] = {
    "topic": gettext_lazy("topic"),
    "question": gettext_lazy("question"),
    "why": gettext_lazy("why we ask"),
    "options": gettext_lazy("answer"),
    "step": gettext_lazy("what every step asks"),
    "steps": gettext_lazy("step"),
    "yes_no": gettext_lazy("the two answers of a step"),
    "said_yes": pgettext_lazy("an answer", "yes"),
    "said_no": pgettext_lazy("an answer", "no"),
    "after_yes": gettext_lazy("where yes leads"),
    "after_no": gettext_lazy("where no leads"),
    "score": gettext_lazy("score"),
    "share": gettext_lazy("expected share"),
    "wealth_share": gettext_lazy("share of all wealth"),
    "stated_loss": gettext_lazy("largest loss"),
    "facts": gettext_lazy("facts"),
    "yuan": gettext_lazy("amounts"),
    "block": gettext_lazy("block"),
    "kind": gettext_lazy("how it is asked"),
    "rules": gettext_lazy("rule"),
    "items": gettext_lazy("questions"),
    "when": gettext_lazy("case"),
    "wealth_above_minor": gettext_lazy("only with a wealth above"),
    "wealth_below_minor": gettext_lazy("only with a wealth below"),
    ORDER: pgettext_lazy("of questions", "order"),
    "zh": "中文",
    "en": "English",
}
KINDS: Mapping[str, Any] = {
    "choice": gettext_lazy("one of several answers"),
    "staircase": gettext_lazy("in steps"),
    "hard": gettext_lazy("cannot go on"),
    "soft": gettext_lazy("asked to confirm"),
}


@dataclass(frozen=True)
class Change:
    """One difference to the published version: where, and what stood and stands there ("" for nothing)."""

    topic: str
    where: str
    before: str
    after: str


@dataclass(frozen=True)
class Named:
    """The names of what has a code, from the first of the versions that knows it."""

    versions: tuple[Instrument, ...]
    item: str = ""  # whose answers are meant

    def topic(self, code: str) -> str:
        return next((item.topic.said for one in self.versions if (item := one.item(code))), code)

    def option(self, code: str, item: str = "") -> str:
        """The answer in words, about an example's amount; a step keeps its code, which the preview shows."""
        found = (row.option(code) for one in self.versions if (row := one.item(item or self.item)))
        return next((option.text(EXAMPLE_MINOR) for option in found if option), code)

    def rule(self, code: str) -> str:
        said = next((rule.said for one in self.versions if (rule := one.rule(code))), code)
        return Truncator(said).chars(LONGEST_NAME)


def changes_between(old: Instrument, new: Instrument) -> list[Change]:
    """List every difference, question by question in the order of the new version, then what was dropped, then contradictions."""
    before, after = ({item.code: item for item in instrument.items} for instrument in (old, new))
    versions = (new, old)
    changes = []
    for code, item in after.items():
        if code not in before:
            changes.append(Change(item.topic.said, _("new question"), "", item.question.said))
        else:
            sides = (before[code].model_dump(mode="json"), item.model_dump(mode="json"))
            changes += _changes_of(item.topic.said, sides, Named(versions, code))
    changes += [
        Change(item.topic.said, _("question dropped"), item.question.said, "") for code, item in before.items() if code not in after
    ]
    names = Named(versions)
    if [code for code in before if code in after] != [code for code in after if code in before]:
        orders = (_listed(map(names.topic, codes)) for codes in (before, after))
        changes.append(Change(_("all questions"), str(PARTS[ORDER]), *orders))
    old_rules, new_rules = ({"rules": [rule.model_dump(mode="json") for rule in instrument.contradictions]} for instrument in (old, new))
    return changes + _changes_of(_("contradictions"), (old_rules, new_rules), names)


def _changes_of(topic: str, sides: tuple[Mapping[str, Any], Mapping[str, Any]], names: Named) -> list[Change]:
    before, after = (dict(_leaves(side)) for side in sides)
    wholes = {path[:2] for path in before if len(path) > 2} ^ {path[:2] for path in after if len(path) > 2}
    changes: dict[Path, Change] = {}
    for path in [*after, *(path for path in before if path not in after)]:
        if before.get(path) == after.get(path) or (path[-1] == ORDER and not (path in before and path in after)):
            continue
        # An answer, a step or a rule that is only in one of the two is told once, by its words.
        place = path[:2] if path[:2] in wholes else path
        changes.setdefault(place, Change(topic, _where(place, names), *(_told(side, place, names) for side in (before, after))))
    return list(changes.values())


def _leaves(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value with the way to it; what has a code is named by it, so that a move is no change of everything."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name != "code":
                yield from _leaves(value, (*path, name))
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        yield (*path, ORDER), [str(one["code"]) for one in data if "code" in one]
        for place, one in enumerate(data, 1):
            yield from _leaves(one, (*path, str(one.get("code", place))))
    elif data is not None and data != []:
        yield path, data


def _where(path: Path, names: Named) -> str:
    said = []
    for place, part in enumerate(path):
        parent = path[place - 1] if place else ""
        if part == ORDER:
            said.append(str(PARTS[ORDER]))
        elif parent == "options":
            said.append(names.option(part))
        elif parent == "rules":
            said.append(names.rule(part))
        elif parent == "yuan":
            said.append(f"{{{part}}}")  # as the texts name it
        elif path[0] == "rules" and place > 2:
            said.append(part if parent == "when" else names.topic(part) if "when" in path[:place] else _part(path, part))
        else:
            said.append(part if parent == "steps" else _part(path, part))
    return " › ".join(said)


def _part(path: Path, part: str) -> str:
    return _("what happens") if path[0] == "rules" and part == "kind" else str(PARTS.get(part, part))


def _told(leaves: Leaves, place: Path, names: Named) -> str:
    """What stands at a place; of a whole answer, step or rule its texts."""
    if place in leaves:
        return _value(place, leaves[place], names)
    inside = {path: value for path, value in leaves.items() if path[: len(place)] == place}
    texts = [str(value) for path, value in inside.items() if path[-1] in ("zh", "en")]
    return " / ".join(texts) or _listed(_value(path, value, names) for path, value in inside.items() if path[-1] != ORDER)


def _value(path: Path, value: Any, names: Named) -> str:
    """What stands at a place: answers and questions by their words, shares in percent, sums in yuan."""
    part = path[-1]
    if part == ORDER:
        name = {"options": names.option, "rules": names.rule}.get(path[-2], str)
        return _listed(map(name, value))
    if isinstance(value, list):
        return _listed(_several(path, value, names))
    words: Mapping[str, Callable[[Any], Any]] = {
        "kind": lambda code: KINDS[code],
        "block": lambda code: BLOCKS[code],
        "share": percent,
        "stated_loss": lambda loss: percent(loss) if loss < 1 else _("more"),
        "wealth_above_minor": yuan_round,
        "wealth_below_minor": yuan_round,
        "after_yes": names.option,
        "after_no": names.option,
    }
    say = percent if path[-2:-1] == ("yuan",) else words.get(part, str)
    return str(say(value))


def _several(path: Path, values: list[Any], names: Named) -> Iterator[str]:
    part = path[-1]
    if part == "wealth_share":
        return (percent(value) for value in values)
    if part == "facts":
        return (str(FACTS.get(value, value)) for value in values)
    if part == "items":
        return map(names.topic, values)
    return (names.option(str(value), part) for value in values)  # a case: the answers to one question


def _listed(words: Any) -> str:
    return _(", ").join(str(word) for word in words)
