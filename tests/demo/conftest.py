"""One small simulated world for all tests of a module, rolled back at its end."""

import pytest
from django.db import transaction


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    from demo.services import load_demo_world

    lines: list[str] = []
    with django_db_blocker.unblock(), transaction.atomic():
        load_demo_world(n_investors=60, n_funds=80, years=3, report=lines.append)
        yield lines
        transaction.set_rollback(True)
