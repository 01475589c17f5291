"""One small simulated world for all tests of a module, rolled back at its end."""

import pytest
from django.db import transaction


def pytest_collection_modifyitems(items):
    """pytest-django makes the databases that some test is marked for; the fixture of a module alone does not say so."""
    for item in items:
        if "world" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.django_db)


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    from demo.services import load_demo_world

    lines: list[str] = []
    with django_db_blocker.unblock(), transaction.atomic():
        load_demo_world(n_investors=60, n_funds=80, years=3, report=lines.append)
        yield lines
        transaction.set_rollback(True)
