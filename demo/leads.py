"""The two investors whom a visitor signs in as: one with a rich account, one who has only just been assessed."""

from demo.logins import DEMO_LOGINS
from demo.people import GoalPlan, Person, Persona

_GROWING = {
    "income": "steady", "reserve": "above-12", "debt": "light-mortgage", "share": "25-to-50", "dependants": "1", "age": "18-to-39",
    "horizon": "5-to-10", "loss": "up-to-50", "reaction": "hold", "mix": "d", "attitude": "mostly-growth", "past": "held", "coin": "2",
    "spread": "less-swing", "rates": "down", "experience": "above-3-years",
}  # fmt: skip
_BALANCED = _GROWING | {"loss": "up-to-20", "mix": "c", "attitude": "balance", "past": "never", "horizon": "3-to-5", "income": "steady"}


def lead_people(seed: int) -> list[Person]:
    """In the order of the investors among DEMO_LOGINS; they take the first places of the crowd."""
    rich = Person(
        index=0,
        name=DEMO_LOGINS[0].name,
        language="zh-hans",
        persona=Persona.SAVER,
        days_since_joining=640,
        answers=(_GROWING, _GROWING),
        reassessed=True,
        goals=(
            GoalPlan("retirement", "养老", 18.0, 20_000_000),
            GoalPlan("education", "孩子上学", 4.5, 8_000_000),
        ),
        monthly_minor=200_000,
        taste=("index", "bond", "gold", "qdii"),
        agrees_to_profiling=True,
        agrees_to_marketing=True,
        visits_a_month=9.0,
        seed=seed,
    )
    fresh = Person(
        index=1,
        name=DEMO_LOGINS[1].name,
        language="zh-hans",
        persona=Persona.UNDECIDED,
        days_since_joining=3,
        answers=(_BALANCED,),
        reassessed=False,
        goals=(GoalPlan("home", "买房", 5.6, 10_000_000),),
        monthly_minor=100_000,
        taste=("mixed", "bond", "gold", "index"),
        agrees_to_profiling=True,
        agrees_to_marketing=False,
        visits_a_month=20.0,
        seed=seed + 1,
    )
    return [rich, fresh]
