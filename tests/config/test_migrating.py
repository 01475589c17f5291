"""The first migration of each app, in one step, leads to where the steps led that it replaces."""

import pytest
from django.db.migrations.loader import MigrationLoader


@pytest.fixture(scope="module")
def loader():
    return MigrationLoader(None, replace_migrations=False)


@pytest.mark.parametrize("app", ["identity", "portfolios", "advisor", "marketing"])
def test_one_step_leads_to_the_same_models_as_the_steps_it_replaces(loader, app):
    (squashed,) = (one for key, one in loader.disk_migrations.items() if key[0] == app and one.replaces)
    steps = loader.project_state([max(squashed.replaces)]).models
    at_once = loader.project_state([(app, squashed.name)]).models
    assert {key for key in steps if key[0] == app} == {key for key in at_once if key[0] == app}
    for key in (key for key in steps if key[0] == app):
        assert list(at_once[key].fields) == list(steps[key].fields)
        assert at_once[key] == steps[key]
