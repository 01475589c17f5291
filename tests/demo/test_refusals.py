"""Where the simulated world must not go."""

import pytest
from django.core.management import CommandError, call_command

from demo.models import World
from demo.services import NotADemo, extend_market, load_demo_world
from identity.models import User


def test_a_licensed_deployment_refuses_simulated_people(db, settings):
    settings.IS_DEMO = False
    with pytest.raises(NotADemo):
        load_demo_world(n_investors=60, n_funds=80, years=3)
    with pytest.raises(CommandError, match="licensed"):
        call_command("load_demo")
    assert not World.objects.exists()
    assert not User.objects.exists()


def test_the_command_refuses_a_world_too_small(db):
    with pytest.raises(CommandError, match="80 funds"):
        call_command("load_demo", "--funds", "20")


def test_a_deployment_without_a_world_has_no_market_to_extend(db):
    assert extend_market() == 0
