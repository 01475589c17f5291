"""The process group of `make run`."""

import sys

from demo.management.commands.run_demo import Group, processes
from tests.workers import wait_until


def test_ctrl_c_before_every_process_has_reported_ends_all_of_them(monkeypatch):
    group, ended = Group(), []
    for name in ("web", "now"):
        group.add_process(name, "true")
    monkeypatch.setattr(group, "_killall", lambda: ended.extend(group._processes))
    group._processes["web"]["pid"] = 1
    group.terminate()
    assert ended == []
    group._processes["now"]["pid"] = 2
    wait_until(lambda: ended == ["web", "now"], seconds=5)


def test_every_process_runs_in_the_same_python():
    assert {command[0] for command in processes().values()} == {sys.executable}
