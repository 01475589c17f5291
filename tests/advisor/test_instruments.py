"""Versions of the questionnaire: shipped, drafted, published by a second person, never changed; and their pages."""

import copy
import re

import pytest
import yaml
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from advisor import instruments
from advisor.errors import Refused
from advisor.instruments import Instrument, InstrumentChanged, current_instrument, file_path, load_instrument, schema
from advisor.jurisdictions import advice_rules
from advisor.models import InstrumentVersion
from advisor.selectors.instrument_changes import KINDS, PARTS, Change, changes_between
from advisor.services.instruments import (
    BadInstrument,
    lint_instrument,
    make_draft,
    parse_instrument,
    publish_instrument,
    sync_instruments,
)
from identity.roles import Role
from tests.advisor.instruments_world import kept_version
from tests.conftest import make_user

REASON = "Wording of the loss question, after talks with clients."
SHIPPED = yaml.safe_load(file_path("standard@2").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _nothing_remembered():
    instruments._stored.cache_clear()


@pytest.fixture
def client(client):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def quick_linter(monkeypatch):
    """The shipped report instead of a measurement, for tests of what becomes of it."""
    report = lint_instrument(load_instrument("standard@2"))
    monkeypatch.setattr("advisor.services.instruments.lint_instrument", lambda instrument: report)
    return report


def house(version=1, change=None, name="house") -> str:
    """The text of a questionnaire of one's own: the shipped one under another name."""
    data = copy.deepcopy(SHIPPED) | {"name": name, "version": version}
    if change:
        change(data)
    return yaml.dump(data, Dumper=Plain, allow_unicode=True, sort_keys=False)


class Plain(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


def publish(version, actor, reason=REASON, is_corrective=False):
    return publish_instrument(version=version, reason=reason, is_corrective=is_corrective, actor=actor)


# ── Shipped ones ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_shipped_questionnaires_become_rows_once(db, capsys):
    first = advice_rules().assessment.instrument
    assert current_instrument().key == first, "before any row"
    call_command("sync_instruments")
    assert "standard@1" in capsys.readouterr().out
    states = {row.key: row.state for row in InstrumentVersion.objects.all()}
    assert states.pop(first) == "published" and set(states) | {first} == set(instruments.shipped_keys())
    assert current_instrument() is load_instrument(first)
    assert sync_instruments() == []
    with CaptureQueriesContext(connection) as queries:
        current_instrument()
    assert len(queries) == 1


def test_a_later_shipped_version_waits_for_a_supervisor(people, quick_linter):
    row = kept_version("standard@1", state="published", published_at="2026-01-01T00:00Z")
    assert sync_instruments() == ["standard@2"]
    later = InstrumentVersion.objects.get(version=2)
    assert (later.state, later.is_shipped, later.made_by, current_instrument().key) == ("draft", True, None, "standard@1")
    publish(later, people.sue)
    row.refresh_from_db()
    assert (row.state, current_instrument().key) == ("replaced", "standard@2")


def test_a_shipped_file_that_changed_after_it_was_published_is_noticed(db, monkeypatch):
    kept_version("standard@1", state="published", published_at="2026-01-01T00:00Z", sha256="0" * 64)
    with pytest.raises(InstrumentChanged):
        sync_instruments()
    with pytest.raises(CommandError):
        call_command("sync_instruments")
    with pytest.raises(InstrumentChanged):
        current_instrument()


# ── Drafts and publishing ────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_is_published_by_another_supervisor_and_asked_from_then_on(people):
    """The whole way with the real linter."""
    sync_instruments()
    version = make_draft(text=house(), actor=people.ada)
    assert (version.state, version.report["findings"], version.made_by) == ("draft", [], people.ada)
    with pytest.raises(LookupError):
        load_instrument("house@1")
    before = current_instrument()
    published = publish(version, people.sue, is_corrective=True)
    assert (published.state, published.published_by, published.reason, published.is_corrective) == ("published", people.sue, REASON, True)
    assert published.published_at is not None
    assert (current_instrument().key, before.key != "house@1") == ("house@1", True)
    assert current_instrument().sem.tolerance == pytest.approx(load_instrument("standard@2").sem.tolerance)
    assert load_instrument("house@1") is load_instrument("house@1"), "read once"
    assert InstrumentVersion.objects.filter(state="published").count() == 1
    assert InstrumentVersion.objects.get(name="standard", version=before.version).state == "replaced"


def test_who_may_publish_and_what_is_refused(people, quick_linter):
    mine = make_draft(text=house(), actor=people.sue)
    for who in ("ada", "mark", "adam", "anna"):
        with pytest.raises(PermissionDenied):
            publish(mine, getattr(people, who))
    for actor, reason, code in [
        (people.sue, REASON, "four_eyes"), (make_user("sam", Role.SUPERVISOR), "short", "reason_too_short"),
        (make_user("sid", Role.SUPERVISOR), "x" * 301, "reason_too_long"),
    ]:  # fmt: skip
        with pytest.raises(Refused) as refused:
            publish(mine, actor, reason=reason)
        assert refused.value.code == code
    mine.refresh_from_db()
    assert mine.state == "draft"
    sally = make_user("sally", Role.SUPERVISOR)
    publish(mine, sally)
    with pytest.raises(Refused, match="not_draft"):
        publish(mine, sally)
    with pytest.raises(IntegrityError), transaction.atomic():
        kept_version(is_shipped=False, made_by=sally, published_by=sally, published_at="2026-01-01T00:00Z", state="replaced")


def test_the_linter_refuses_to_publish(people, quick_linter):
    version = make_draft(text=house(), actor=people.ada)
    quick_linter["findings"] = [{"code": "raw_level_rare", "item": "C5", "figure": 0.0, "limit": 0.003}]
    with pytest.raises(Refused, match="refused_by_linter") as refused:
        publish(version, people.sue)
    assert refused.value.params["findings"] == quick_linter["findings"]
    assert InstrumentVersion.objects.get().state == "draft"


def test_a_draft_is_replaced_by_its_maker_only(people, quick_linter):
    version = make_draft(text=house(), actor=people.ada)
    assert make_draft(text=house(), actor=people.ada) == version
    changed = make_draft(
        text=house(change=lambda d: d["items"][0].__setitem__("why", {"zh": "新的理由。", "en": "A new reason."})), actor=people.ada
    )
    assert (changed.pk, InstrumentVersion.objects.count()) == (version.pk, 1) and changed.sha256 != version.sha256
    with pytest.raises(Refused, match="not_draft"):
        publish(version, people.sue)  # seen before the maker changed it
    with pytest.raises(Refused, match="version_taken"):
        make_draft(text=house(), actor=people.sue)
    with pytest.raises(Refused, match="name_shipped"):
        make_draft(text=house(name="standard", version=9), actor=people.ada)
    with pytest.raises(PermissionDenied):
        make_draft(text=house(), actor=people.mark)
    with pytest.raises(BadInstrument):
        make_draft(text="items: [", actor=people.ada)


def test_what_was_published_never_changes(people, quick_linter):
    version = publish(make_draft(text=house(), actor=people.ada), people.sue)
    rows = InstrumentVersion.objects.filter(pk=version.pk)
    for change in ({"content": {}}, {"sha256": "0"}, {"version": 7}):
        with pytest.raises(ValueError, match="new version"):
            rows.update(**change)
        other = rows.get()
        for name, value in change.items():
            setattr(other, name, value)
        with pytest.raises(ValueError, match="never changes"):
            other.save()
    with pytest.raises(ValueError, match="kept"):
        rows.delete()
    with pytest.raises(ValueError, match="kept"):
        rows.get().delete()
    with connection.cursor() as cursor:  # past the model: the checksum notices when it is read
        cursor.execute(
            "UPDATE advisor_instrumentversion SET content = REPLACE(CAST(content AS TEXT), '0.85', '0.84')" + JSONB_CAST[connection.vendor]
        )
    with pytest.raises(InstrumentChanged):
        load_instrument("house@1")
    with pytest.raises(InstrumentChanged):
        current_instrument()


JSONB_CAST = {"sqlite": "", "postgresql": "::jsonb"}


@pytest.mark.parametrize(
    "key", ["house@1", "standard@3", "../standard@1", "standard@1.lint", "standard", "@", "house@" + "9" * 30, "standard@²"]
)
def test_a_questionnaire_that_is_not_kept(db, key):
    with pytest.raises(LookupError):
        load_instrument(key)


# ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def upload(client, text, name="house.yaml"):
    return client.post(
        reverse("advisors:instrument_new"), {"file": SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())}
    )


def test_the_way_from_a_file_to_a_published_version(client, people, quick_linter):
    sync_instruments()
    client.force_login(people.ada)
    assert "standard@2" in client.get(reverse("advisors:instrument_list")).content.decode()
    change = lambda d: d["items"][1].__setitem__("why", {"zh": "新的理由。", "en": "A new reason."})  # noqa: E731
    response = upload(client, house(change=change))
    version = InstrumentVersion.objects.get(name="house")
    assert response.url == reverse("advisors:instrument", args=[version.pk])
    page = client.get(response.url).content.decode()
    assert "The linter found nothing against it." in page and "Publish it" not in page
    assert "why we ask › English" in page and "<ins>A new reason.</ins>" in page
    client.force_login(people.sue)
    page = client.get(response.url).content.decode()
    assert "Publish it" in page
    assert "Of your 100,000 yuan, how much could you bear to lose in one year?" in page
    assert "largest loss 20\u00a0%" in page and "right answer" in page and "0.65" in page
    assert "So heads must pay at least 2,000 yuan" in page and "cannot go on" in page
    assert "FAR-Trans" in page and "one Greek bank" in page
    there = reverse("advisors:instrument_publish", args=[version.pk])
    refused = client.post(there, {"reason": "short"})
    assert refused.status_code == 422 and "at least 10 characters" in refused.content.decode()
    assert client.post(there, {"reason": REASON, "is_corrective": "on"}, follow=True).redirect_chain[0][0] == response.url
    page = client.get(reverse("advisors:instrument_list")).content.decode()
    assert REASON in page and "Corrective" in page
    assert current_instrument().key == "house@1"


def test_a_version_that_the_linter_refuses_says_why_and_offers_no_publishing(client, people):
    def flat(data):
        for item in data["items"]:
            for option in item["options"]:
                if option.get("score", 1) < 1:
                    option["score"] = round(option["score"] ** 6, 9)

    client.force_login(people.ada)
    upload(client, house(change=flat))
    client.force_login(people.sue)
    there = reverse("advisors:instrument", args=[InstrumentVersion.objects.get().pk])
    page = client.get(there).content.decode()
    assert "The linter refuses it" in page and "Answers drawn without any sense give C1 in" in page and "Publish it" not in page
    refused = client.post(there + "publish/", {"reason": REASON})
    assert refused.status_code == 422 and InstrumentVersion.objects.get().state == "draft"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("items: [", "no YAML that can be read, at line"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"", "The file is empty."),
        (
            "name: house\nversion: 1\nitems: []\n",
            "0 of knowledge; there must be 7, 6 and 3.",
        ),
        ("name: house\nversion: 1\nitems: []\ncolour: red\n", "colour is nothing that a questionnaire has."),
        (b"x" * 900_000, "far too long"),
    ],
)
def test_a_file_that_is_no_questionnaire_gets_a_sentence(client, people, text, said):
    client.force_login(people.sue)
    response = upload(client, text)
    assert response.status_code == 422 and said in response.content.decode()
    assert not InstrumentVersion.objects.exists()


def test_queries_of_the_pages_do_not_grow(client, people):
    client.force_login(people.sue)
    kept_version("standard@1", state="published", published_at="2026-01-01T00:00Z")
    row = kept_version()
    counted = []
    for n in range(2):
        kept_version(name="other", version=n + 1, made_by=people.ada)
        for there, most in ((reverse("advisors:instrument_list"), 6), (reverse("advisors:instrument", args=[row.pk]), 7)):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(there).status_code == 200
            assert len(queries) <= most
            counted.append(len(queries))
    assert counted[:2] == counted[2:]


def test_differences_are_told_question_by_question_and_what_is_new_once():
    old, new = load_instrument("standard@1"), load_instrument("standard@2")
    assert changes_between(new, new) == []
    with override("en"):
        found = changes_between(old, new)
    never = "At no set time, it can stay invested"
    assert Change("Time", f"answer › {never}", "", f"没有期限，可以一直放着 / {never}") in found
    assert [one.before for one in found if one.where == "answer › Likely to fall"] == ["可能减少 / Likely to fall"]
    assert sum(one.where.startswith("rule › You say that you are still a student") for one in found) == 1
    assert len({(one.topic, one.where) for one in found}) == len(found)
    turned = house(change=lambda d: d["items"].reverse())
    with override("en"):
        (moved,) = changes_between(new, parse_instrument(turned))
    assert moved.where == "order" and moved.before.startswith("Income, Reserve, ")


def test_differences_are_told_in_words_and_not_by_the_names_of_the_file():
    def change(data):
        first = data["items"][12]["steps"][0]
        data["items"][3]["options"][0]["wealth_share"] = [0.8, 1.0]
        data["items"][1]["options"][0]["facts"] = ["short_reserve", "no_experience"]
        data["items"][12]["steps"][0] = first | {"after_yes": first["after_no"], "after_no": first["after_yes"]}
        data["items"][12]["yes_no"]["said_yes"]["en"] = "I take it"
        data["contradictions"][0]["kind"] = "soft"
        data["contradictions"][1]["when"][0]["mix"] = ["e", "d"]
        data["contradictions"][-1]["items"].reverse()

    old, new = load_instrument("standard@2"), copy.deepcopy(SHIPPED)
    change(new)
    with override("en"):
        found = {(one.topic, one.where): (one.before, one.after) for one in changes_between(old, Instrument.model_validate(new))}
    rule = "rule › You say that nothing may be lost, and t…"
    assert found["contradictions", f"{rule} › what happens"] == ("cannot go on", "asked to confirm")
    assert found["Share of your savings", "answer › More than three quarters › share of all wealth"] == (
        "75.0\u00a0%, 100.0\u00a0%", "80.0\u00a0%, 100.0\u00a0%",
    )  # fmt: skip
    told = [*found, *found.values()]
    assert len(found) == 8 and ("Reserve", "answer › Less than three months › facts") in found
    assert any(where.endswith("the two answers of a step › yes › English") for _, where in found)
    codes = {*KINDS, "rules", "kind", "yes_no", "said_yes", "after_yes", "wealth_share", "short_reserve", "no-loss-growth", "below-3"}
    assert not [(code, text) for pair in told for text in pair for code in codes if code in re.split("[ ›,“”]+", text)]


def test_every_part_of_a_questionnaire_has_words():
    models = (Instrument, schema.Item, schema.Option, schema.Step, schema.YesNo, schema.Contradiction)
    names = {name for model in models for name in model.model_fields} - {"code", "name", "version", "contradictions"}
    assert names <= set(PARTS)


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_figures_and_refuses_with_reasons(db, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    call_command("lint_instrument", "standard@2")
    said = capsys.readouterr().out
    assert "standard@2" in said and "SEM_T 11.5984" in said and "It may be published." in said and "aggressive" in said

    def steep(data):
        for item in data["items"]:
            item["options"].sort(key=lambda option: -option.get("score", 0))

    file = tmp_path / "house.yaml"
    file.write_text(house(change=steep), encoding="utf-8")
    with pytest.raises(CommandError, match="highest score stands first") as refused:
        call_command("lint_instrument", str(file), "--json")
    assert refused.value.returncode == 1 and '"one_way"' in capsys.readouterr().out
    for wrong in (str(tmp_path / "none.yaml"), "none@1", "../standard@2"):
        with pytest.raises(CommandError, match="no such questionnaire") as unknown:
            call_command("lint_instrument", wrong)
        assert unknown.value.returncode == 2
    file.write_text("name: [", encoding="utf-8")
    with pytest.raises(CommandError, match="no YAML"):
        call_command("lint_instrument", str(file))
    file.write_text(house(), encoding="utf-8")
    with pytest.raises(CommandError, match="shipped"):
        call_command("lint_instrument", str(file), "--write")
