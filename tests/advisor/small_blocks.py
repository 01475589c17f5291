"""Imported by the worker that is killed: three people a block, and a moment between what falls and what says that it has fallen."""

import time
from typing import Any

from advisor.jurisdictions import advice_rules
from advisor.services import behaviour

PAUSE = 0.15

_rules = advice_rules()
_small = _rules.model_copy(update={"ledger": _rules.ledger.model_copy(update={"block": 3})})
_release = behaviour._release


def release_later(*args: Any) -> None:
    time.sleep(PAUSE)
    _release(*args)


behaviour.advice_rules = lambda: _small
behaviour._release = release_later
