"""The look: forms with hints and errors tied to their fields, one frame for every role."""

import re
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.template import engines
from django.test import RequestFactory
from django.urls import reverse

TEMPLATES = sorted(path for path in (settings.BASE_DIR / "templates").rglob("*.html"))


def test_no_template_breaks_the_content_security_policy():
    inline = re.compile(r"""\sstyle\s*=|\son\w+\s*=\s*["']|hx-on|javascript:|<script(?![^>]*\bsrc=)(?![^>]*application/json)""")
    found = [f"{path.relative_to(settings.BASE_DIR)}: {hit[0]}" for path in TEMPLATES if (hit := inline.search(path.read_text()))]
    assert not found


class Order(forms.Form):
    amount = forms.DecimalField(label="Amount", help_text="In yuan.", min_value=10)
    note = forms.CharField(required=False)
    side = forms.ChoiceField(choices=[("buy", "Buy"), ("sell", "Sell")], widget=forms.RadioSelect)
    agreed = forms.BooleanField(label="I have read it")
    token = forms.CharField(widget=forms.HiddenInput)


def test_a_form_ties_hint_and_error_to_the_field():
    html = str(Order({"amount": "1", "side": "buy", "agreed": "on", "token": "x"}))
    assert 'class="form-field has-error"' in html
    assert 'aria-describedby="id_amount_helptext id_amount_error"' in html
    assert 'id="id_amount_helptext"' in html
    assert 'id="id_amount_error"' in html
    assert 'aria-invalid="true"' in html


def test_a_form_has_a_legend_over_choices_and_the_box_before_its_label():
    html = str(Order())
    assert html.count("<legend>") == 1
    assert html.index('type="checkbox"') < html.index("I have read it")
    assert html.count('name="token"') == 1


def render_base(user):
    request = RequestFactory().get("/funds/")
    request.user = user
    return engines["django"].from_string('{% extends "base.html" %}').render({}, request)


def links(html: str) -> list[str]:
    start = html.index('<nav class="site-nav"')
    return re.findall(r'href="([^"]+)"', html[start : html.index("</nav>", start)])


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [("anna", "/", "/advisors/"), ("ada", "/advisors/", "/admin/"), ("sue", "/advisors/", "/admin/"), ("adam", "/admin/", "/advisors/")],
)
def test_navigation_shows_each_role_its_own_rooms(people, name, inside, outside):
    shown = links(render_base(getattr(people, name)))
    assert inside in shown
    assert outside not in shown


def test_the_frame_costs_one_query_for_the_roles(people, django_assert_num_queries):
    from identity.models import User

    fresh = User.objects.get(pk=people.anna.pk)
    with django_assert_num_queries(1):
        render_base(fresh)


def test_a_demo_says_so_once_and_a_licensed_deployment_names_its_licence(client, db, settings):
    html = client.get(reverse("account_login"), headers={"accept-language": "en"}).content.decode()
    assert html.count('class="demo-line"') == 1
    settings.IS_DEMO, settings.LICENCE_TEXT = False, "Licence 123 of the test authority"
    html = client.get(reverse("account_login"), headers={"accept-language": "en"}).content.decode()
    assert 'class="demo-line"' not in html
    assert "Licence 123 of the test authority" in html


def test_the_page_speaks_the_chosen_language_and_offers_the_other(client, db):
    html = client.get(reverse("account_login"), headers={"accept-language": "en"}).content.decode()
    assert '<html lang="en"' in html
    assert 'value="zh-hans"' in html
    html = client.get(reverse("account_login"), headers={"accept-language": "zh-CN"}).content.decode()
    assert '<html lang="zh-hans"' in html
    assert 'name="language" value="en"' in html


def test_the_error_page_needs_neither_database_nor_session():
    html = engines["django"].get_template("500.html").render({}, RequestFactory().get("/"))
    assert "500" in html


def test_plotly_is_no_weight_on_pages_without_a_chart(client, db):
    html = client.get(reverse("account_login")).content.decode()
    assert not re.search(r'<script[^>]*src="[^"]*plotly', html)
    assert Path(settings.BASE_DIR / "static/plot.js").stat().st_size < 20_000


def test_the_demo_hint_names_the_people_of_the_demo():
    from demo.logins import DEMO_LOGINS, PASSWORD

    html = engines["django"].get_template("components/demo_logins.html").render({})
    assert set(re.findall(r"[\w-]+@[\w.]+", html)) == {login.email for login in DEMO_LOGINS}
    assert PASSWORD in html
