"""The list of what is known about people is complete, and a copy of it is whole, readable and about one person only."""

import csv
import io
import json
from uuid import uuid4
from zipfile import ZipFile

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils import timezone

from advisor.models import Account, Assessment, DataAccess, Goal, Investor, LevelChange, Proposal
from advisor.services import give_consent
from identity.models import User
from marketing.catalogue.personal_data import personal_data
from marketing.models import Event, InboxMessage, Profile, Tag, TagWords
from marketing.services.person_export import export_person


def leads_to(model) -> set[str]:
    """The models that a row of this one names, and those that belong to it alone."""
    fields = [field for field in model._meta.get_fields() if field.is_relation and not field.auto_created and field.related_model]
    return {field.related_model._meta.label for field in fields}


def test_every_table_with_a_way_to_a_person_is_handed_out_or_has_a_reason():
    data = personal_data()
    ours, others = {table.model for table in data.tables}, set(data.others)
    assert not ours & others
    people = {Investor._meta.label, User._meta.label} | ours
    near = {model._meta.label for model in apps.get_models() if leads_to(model) & people}
    # What belongs to one row of a person's own table, as a portfolio to a goal, is theirs as well.
    near |= {
        field.related_model._meta.label
        for model in apps.get_models()
        if model._meta.label in ours
        for field in model._meta.get_fields()
        if field.one_to_one and field.concrete
    }
    assert near - ours - others == set(), "list these in marketing/catalogue/personal_data.yaml"
    assert others - near == set(), "these lead to nobody"
    assert ours - {model._meta.label for model in apps.get_models()} == set()


def test_nobody_s_column_names_a_member_of_the_staff_or_somebody_else_by_more_than_their_role():
    """Foreign keys to users are told as roles; whatever else holds a name would have to be looked at here."""
    tables = personal_data().tables
    telling = {"name", "email", "phone"}
    named = {f"{table.model}.{field.name}" for table in tables for field in table.columns() if field.name in telling}
    # The last are the person's own words.
    assert named == {"identity.User.name", "identity.User.email", "identity.User.phone", "account.EmailAddress.email",
                     "advisor.Household.name", "advisor.Goal.name", "marketing.Event.name"}  # fmt: skip


@pytest.fixture
def anna(people):
    """Something of each room, of Anna and of Ben."""
    now = timezone.now()
    for one in (people.anna_investor, people.ben_investor):
        give_consent(investor=one, purpose="profiling", is_given=True, source="test")
        Goal.objects.create(
            account=Account.objects.create(investor=one),
            name=f"=pot of {one.user.name}",
            kind="home",
            amount_minor=1,
            target_date=now.date(),
        )
        LevelChange.objects.create(investor=one, from_level=4, to_level=3, actor=people.ada, why="she said so")
        Event.objects.create(
            message_id=uuid4(), investor=one, type="page", name="fund", properties={"code": one.pseudonym}, occurred_at=now
        )
        Profile.objects.create(investor=one, income="pension")
        InboxMessage.objects.create(investor=one, subject=f"Dear {one.user.name}", body="line\nline, “quoted” 🙂")
    Tag.objects.create(code="saver", name_zh="储蓄者", name_en="Saver", group="assets", rule={}, word=0, bit=2)
    TagWords.objects.create(investor=people.anna_investor, w0=4)
    return people.anna_investor


def unpacked(investor) -> tuple[dict, ZipFile]:
    archive = ZipFile(io.BytesIO(export_person(investor=investor).read()))
    return json.loads(archive.read("data.json")), archive


def test_a_copy_holds_every_table_twice_and_says_the_same(anna):
    data, archive = unpacked(anna)
    files = {table.file for table in personal_data().tables}
    assert set(data["tables"]) == files
    assert set(archive.namelist()) == {"data.json", "README.zh-hans.txt", "README.en.txt", *(f"csv/{file}.csv" for file in files)}
    for file, rows in data["tables"].items():
        read = list(csv.DictReader(io.StringIO(archive.read(f"csv/{file}.csv").decode("utf-8-sig"))))
        assert len(read) == len(rows), file
        assert [list(row) for row in read] == [list(row) for row in rows]
    assert data["tables"]["messages"][0]["body"] == "line\nline, “quoted” 🙂"
    assert data["tables"]["tags"] == [{"code": "saver", "name_zh": "储蓄者", "name_en": "Saver", "meaning_zh": "", "meaning_en": ""}]
    assert data["tables"]["profile"][0]["income"] == "pension"  # also what no campaign may use
    assert "csv/goals.csv\t1\t目标" in archive.read("README.zh-hans.txt").decode()


def test_a_copy_is_of_one_person_and_names_nobody_of_the_staff(anna, people):
    data, archive = unpacked(anna)
    whole = " ".join(archive.read(name).decode() for name in archive.namelist())
    assert "Anna" in whole
    assert not [name for name in ("Ben", "Ada", "ada@", "ben@", "P-ben") if name in whole]
    assert data["tables"]["level_changes"][0]["actor"] == "advisor"
    assert data["tables"]["account"][0]["email"] == "anna@example.com"
    secrets = {column for rows in data["tables"].values() for row in rows for column in row} & {"password", "salt", "claim"}
    assert secrets == set()


@pytest.mark.parametrize("is_demo", [True, False])
def test_a_copy_of_a_licensed_deployment_holds_no_forecast(anna, settings, is_demo):
    settings.IS_DEMO = is_demo
    assessment = Assessment.objects.create(investor=anna, state="completed", instrument="standard-1", amount_minor=1, level=3)
    worked_out = {"weights": {"000001": 1.0}, "expected_return": 0.07, "frontier": [[0.1, 0.05]], "funds": [{"volatility": 0.1, "why": {}}]}
    Proposal.objects.create(goal=Goal.objects.get(account__investor=anna), assessment=assessment, level=3, inputs={}, result=worked_out)
    data, archive = unpacked(anna)
    result = data["tables"]["proposals"][0]["result"]
    assert result == (worked_out if is_demo else {"weights": {"000001": 1.0}, "funds": [{"volatility": 0.1}]})
    told = " ".join(archive.read(name).decode() for name in archive.namelist())
    assert ("expected_return" in told) is is_demo


def test_no_cell_is_a_formula(anna):
    _, archive = unpacked(anna)
    (row,) = csv.DictReader(io.StringIO(archive.read("csv/goals.csv").decode("utf-8-sig")))
    assert row["name"] == "'=pot of Anna"


def test_a_copy_asks_a_bounded_number_of_questions(anna, django_assert_max_num_queries):
    Event.objects.bulk_create(
        Event(message_id=uuid4(), investor=anna, type="page", name="fund", occurred_at=timezone.now()) for _ in range(50)
    )
    with django_assert_max_num_queries(len(personal_data().tables) + 6):
        data, _ = unpacked(anna)
    assert len(data["tables"]["events"]) == 51


def test_the_command_writes_a_copy_once_and_is_noted(anna, tmp_path):
    target = tmp_path / "anna.zip"
    call_command("export_person", pseudonym=anna.pseudonym, to=target)
    assert "data.json" in ZipFile(target).namelist()
    assert list(DataAccess.objects.values_list("investor", "what", "via", "actor")) == [(anna.pk, "export_person", "command", None)]
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_person", pseudonym=anna.pseudonym, to=target)
    with pytest.raises(CommandError, match="nobody"):
        call_command("export_person", pseudonym="P-nobody", to=tmp_path / "x.zip")
