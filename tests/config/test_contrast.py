"""What is written and drawn can be told from what is behind it, in the light theme and in the dark one (WCAG 2.2 AA)."""

import re

import pytest
from django.conf import settings

CSS = (settings.BASE_DIR / "static/app.css").read_text()
LIGHT_BLOCK, REST = CSS.split("@media screen and (prefers-color-scheme: dark) {", 1)
DARK_BLOCK, RULES = REST.split("\n}\n", 1)
COLOURS = re.compile(r"--([\w-]+): (#[0-9A-Fa-f]{6});")
LIGHT = dict(COLOURS.findall(LIGHT_BLOCK))
DARK = LIGHT | dict(COLOURS.findall(DARK_BLOCK))
THEMES = {"light": LIGHT, "dark": DARK}

ON_SHEETS = ("ink", "ink-soft", "ink-muted", "primary", "primary-strong", "danger", "accent-ink", "good", "red", "green")
TEXT_ON = [
    *[(front, back) for front in ON_SHEETS for back in ("paper", "ground")],
    *[(front, "primary-soft") for front in ("ink", "ink-soft", "ink-muted", "primary", "primary-strong", "red", "green")],
    *[(front, back) for front in ("ink", "ink-muted", "primary") for back in ("accent-soft", "danger-soft", "good-soft")],
    *[("on-primary", back) for back in ("primary", "primary-strong", "danger", "danger-strong")],
    ("accent-ink", "accent-soft"), ("danger", "danger-soft"), ("danger-strong", "danger-soft"), ("good", "good-soft"),
]  # fmt: skip
EDGES = ("line-strong", "focus", "accent", "primary", "danger", "good")
SHAPES_ON = [
    *[(front, back) for front in EDGES for back in ("paper", "ground")],
    *[(f"series-{of}", "paper") for of in ("other", "drawdown", "band")],
]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_the_one_of_the_standard():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "back"), TEXT_ON)
def test_text_has_the_contrast_of_wcag_aa(theme, front, back):
    assert contrast(THEMES[theme][front], THEMES[theme][back]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "back"), SHAPES_ON)
def test_borders_lines_and_focus_rings_can_be_told_from_what_is_behind(theme, front, back):
    assert contrast(THEMES[theme][front], THEMES[theme][back]) >= 3


@pytest.mark.parametrize("name", [name for name in DARK if name.startswith("class-")])
def test_an_asset_class_can_be_told_from_dark_paper(name):
    """On white paper the pale ones cannot; there plot.js draws an edge, which tests/e2e/test_themes.py measures."""
    assert contrast(DARK[name], DARK["paper"]) >= 3


def test_the_dark_theme_sets_every_colour_again_and_nothing_else():
    kept = {"white"}  # for cameras and printers
    assert dict(COLOURS.findall(DARK_BLOCK)).keys() == LIGHT.keys() - kept
    assert not re.findall(r"--(?:s|t)-\d|font|padding|margin", DARK_BLOCK)


def test_no_rule_names_a_colour_of_its_own():
    assert re.findall(r"#[0-9A-Fa-f]{3,8}\b(?=[;\s,)])|\b(?:rgba?|hsla?)\(|:\s*(?:white|black)\b", RULES) == []


def test_every_asset_class_of_the_jurisdiction_has_its_colour():
    from portfolios.jurisdictions import jurisdiction

    assert {f"class-{code}" for code in jurisdiction().classes} <= LIGHT.keys()
