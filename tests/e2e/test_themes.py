"""Charts in the light theme, in the dark one and on paper: what is drawn can be told from what is behind it."""

import pytest

MEASURE = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => colour.map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const contrast = (one, other) => (Math.max(light(one), light(other)) + 0.05) / (Math.min(light(one), light(other)) + 0.05);
  const of = (element, name) => rgb(getComputedStyle(element)[name]);
  const card = of(document.querySelector(".chart-card"), "backgroundColor");
  const all = (what) => [...document.querySelectorAll(`.plot-drawn ${what}`)];
  return {
    paper: light(card),
    inside: all(".bartext-inside").map((text) => contrast(of(text, "fill"), of(text.parentElement.querySelector("path"), "fill"))),
    letters: all("text:not(.bartext-inside)").map((text) => contrast(of(text, "fill"), card)),
    edges: all(".bars .point path").map((bar) => contrast(of(bar, "stroke"), card)),
  };
}"""


def measured(page) -> dict:
    return page.evaluate(MEASURE)


def least(found: dict, name: str) -> float:
    assert found[name], f"no {name} found"
    return min(found[name])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_can_be_read_in_either_theme_and_on_paper(visit, scheme):
    visitor = visit(width=1280)
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visitor.sign_in("investor@demo.hengtou.invalid")
    visitor.page.wait_for_selector(".plot-drawn .bars .point")
    found = measured(visitor.page)
    assert (found["paper"] > 0.5) == (scheme == "light")
    assert least(found, "letters") >= 4.5 and least(found, "inside") >= 4.5 and least(found, "edges") >= 3
    printed = visitor.page.evaluate("""() => { addEventListener("beforeprint", () => { window.wasPrinted = true; }); }""")
    assert printed is None and visitor.page.pdf() and visitor.page.evaluate("window.wasPrinted"), "the browser says when it prints"
    visitor.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visitor.page.wait_for_timeout(500)
    visitor.page.emulate_media(media="print")
    on_paper = measured(visitor.page)
    assert on_paper["paper"] == 1.0 and least(on_paper, "letters") >= 4.5 and least(on_paper, "edges") >= 3
    visitor.page.emulate_media(media="screen", color_scheme="dark")
    visitor.page.evaluate("dispatchEvent(new Event('afterprint'))")
    visitor.page.wait_for_timeout(500)
    turned = measured(visitor.page)
    assert turned["paper"] < 0.1 and least(turned, "letters") >= 4.5, "a screen that turns dark draws its charts again"
