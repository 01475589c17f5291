"""What a browser would send from the builder: the fields of a rule, as the page itself shows them."""

from marketing.rule_forms.drafts import draft_of_rule


def fields_of(rule: dict, **more: str) -> dict[str, object]:
    """The builder's fields of a rule, with a name and whatever else is posted."""
    posted: dict[str, object] = {"name": "Sleepers", "purpose": "sales"} | more
    root = draft_of_rule({"version": 1, "rule": rule})
    for node in root.all():
        posted[f"kind-{node.key}"] = node.kind
        for inner in node.nodes:
            posted[f"in-{inner.key}"] = node.key
        for control, values in node.values.items():
            posted[f"{control}-{node.key}"] = values
    # A parent's kind stands before its children's on the page.
    return posted
