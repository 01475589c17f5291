"""The chart of next best actions: how many people each is of, and by which channel and when as a table."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from marketing.charts import Card, Row, bars, people_axis, told_count
from marketing.selectors.ask_rules import segment_url
from marketing.selectors.next_action_page import Action


def actions_card(actions: Sequence[Action]) -> Card:
    """One bar an action, and a row each with the segment that it makes."""
    labels, texts = [one.label for one in actions], [told_count(one.n) for one in actions]
    layout = people_axis() | {"height": 80 + 36 * len(actions), "yaxis": {"autorange": "reversed", "automargin": True}}
    links = [[(segment_url(rule_of(one.kind)), _("Make a segment"))] for one in actions]
    rows = [Row(*row) for row in zip(labels, [[text] for text in texts], links, strict=True)]
    figure = {"data": [bars(labels, [one.n for one in actions], texts)], "layout": layout}
    return Card("next-actions", _("What would be best done next"), figure, [_("Action"), _("People")], rows)


def rule_of(kind: str) -> dict[str, object]:
    return {"version": 1, "rule": {"all": [{"next_action": [kind], "is_in": True}]}}


def ways_card(one: Action) -> Card:
    """By which channel and in which part of the day one action would be done."""
    rows = [Row(f"{cell.channel} · {cell.hours}", [told_count(cell.n)]) for cell in one.cells]
    return Card(f"ways-{one.kind}", one.label, None, [_("Channel and hour"), _("People")], rows)
