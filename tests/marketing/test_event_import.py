"""Events from a file: the same rules as over the API, line by line."""

import csv
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from advisor.models import Consent
from marketing.models import Event

HEADER = "message_id,type,name,investor,occurred_at,properties\n"


@pytest.fixture
def load(people, tmp_path, capsys):
    Consent.objects.create(investor=people.anna_investor, purpose="profiling", is_given=True, source="test")

    def run(text):
        path = tmp_path / "events.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        call_command("import_events", str(path))
        refused = path.with_suffix(".csv.refused.csv")
        rows = list(csv.reader(refused.open(encoding="utf-8"))) if refused.exists() else []
        return capsys.readouterr().out, rows

    return run


def line(name="search", investor="P-anna", message_id="", properties='"{""theme"": ""健康""}"'):
    return f"{message_id},track,{name},{investor},{timezone.now().replace(minute=0).isoformat()},{properties}\n"


def test_lines_are_stored_and_counted(load):
    said, refused = load("\ufeff" + HEADER + line() + "\n" + line("open", properties=""))
    assert "accepted             2" in said and refused == []
    assert list(Event.objects.order_by("pk").values_list("name", "properties")) == [("search", {"theme": "健康"}), ("open", {})]


def test_refused_lines_go_into_a_file_with_their_number_and_why(load):
    bad = [line(investor="P-x"), line(properties="{"), line(message_id="7"), "1,2\n", line().replace("track", "screen"), line("x" * 90)]
    said, rows = load(HEADER + line() + "".join(bad) + line("last"))
    assert [row[:2] for row in rows[1:]] == [
        ["3", "unknown_investor"], ["4", "bad_value"], ["5", "bad_value"], ["6", "invalid_line"], ["7", "unknown_type"], ["8", "bad_value"],
    ]  # fmt: skip
    assert all(row[2].endswith(".") for row in rows[1:])
    assert Event.objects.count() == 2 and "refused              6" in said
    assert rows[1][4:7] == ["track", "search", "P-x"]


@pytest.mark.parametrize("depth", [900, 100_000])
def test_what_nests_deeper_than_the_stack_refuses_its_line_alone(load, depth):
    deep = '{""a"":' * depth + '""\\u0000""' + "}" * depth
    _, rows = load(HEADER + line(properties=f'"{deep}"') + line("last"))
    assert rows[1][:2] in (["2", "bad_value"], ["2", "invalid_line"])
    assert Event.objects.get().name == "last"


def test_a_file_that_is_read_again_is_all_repeats(load):
    text = HEADER + "".join(line(f"n{n}") for n in range(1200))
    assert "accepted         1,200" in load(text)[0]
    assert "repeated         1,200" in load(text)[0]
    assert Event.objects.count() == 1200


def test_bytes_that_are_no_text_refuse_their_line_alone(load):
    broken = line("bad").encode().replace(b"bad", b"\xff\xfe")
    _, rows = load(HEADER.encode() + line().encode() + broken + line("last").encode())
    assert [row[1] for row in rows[1:]] == ["invalid_line"]
    assert set(Event.objects.values_list("name", flat=True)) == {"search", "last"}


@pytest.mark.parametrize("header", ["", "name,type\n", "type,name,occurred_at,phone\n", "type,name,name,occurred_at\n", '"type\n'])
def test_a_wrong_header_stores_nothing(load, header):
    with pytest.raises(CommandError, match="Nothing was stored"):
        load(header + line())
    assert not Event.objects.exists()


def test_a_file_that_is_not_there_is_said_in_a_sentence(db):
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_events", "/nowhere.csv")


def test_a_line_has_an_id_of_its_content_when_it_has_none(load):
    load(HEADER + line())
    assert isinstance(Event.objects.get().message_id, UUID)
