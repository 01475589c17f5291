"""Loading the whole simulated world, once."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic

from django.conf import settings
from django.utils import timezone

from advisor.services.record_history import record_history
from demo.cast import Member, put_on_stage
from demo.clicks import WINDOW_DAYS, draw_clicks
from demo.leads import lead_people
from demo.logins import DEMO_LOGINS
from demo.models import World
from demo.people import make_people
from demo.services.books import load_books
from demo.services.bulk import gather_statistics
from demo.services.crowd import load_crowd
from demo.services.erasing import erase_people
from demo.services.market import extend_market, last_priced_day, load_market
from demo.services.people import confirm_addresses, joined_at, load_assessments, load_consents, load_goals, load_investors, load_staff
from demo.services.pool import approve_models
from demo.services.proposals import load_proposals
from demo.services.stage import Scenery, read_scenery
from demo.services.visits import Sights, last_visits, load_clicks, visitors_of_members
from identity.roles import Role
from marketing.services import ensure_builtin_segments, make_event_partitions, refresh_portraits

Report = Callable[[str], object]
MONTHS_OF_PEOPLE = 24.0
# A large world begins with full lives - the logins, everybody's clients, every persona - and goes on with short ones.
LARGEST_WITH_FULL_LIVES = 5_000
FULL_LIVES_OF_A_LARGE_WORLD = 500


class NotADemo(Exception):
    """Simulated people must never enter a licensed deployment."""


def load_demo_world(
    *,
    n_investors: int = 2000,
    seed: int = 2026,
    n_funds: int = 600,
    years: int | None = None,
    n_full_lives: int | None = None,
    n_events: int | None = None,
    report: Report | None = None,
) -> bool:
    """Write the simulated market and people, and say True; a world that is there is only brought up to date, and False.

    Above 5,000 investors all but the first 500 have short lives (demo.short_lives), unless n_full_lives says otherwise. About
    25 events an investor are told of the last half year (demo.clicks), or n_events together.
    Safe to repeat: what an interrupted load left of full lives is taken back first, short ones are gone on with. Raises
    NotADemo in a licensed deployment.
    """
    if not settings.IS_DEMO:
        raise NotADemo("The simulated world is for a demo. This deployment is licensed: DEPLOYMENT_MODE says so.")
    say: Report = report or (lambda line: None)
    world = World.objects.order_by("pk").first()
    if world is not None and world.people_loaded_at:
        n_days = extend_market(until=last_priced_day())
        say(
            f"The simulated world is there ({world.n_investors} investors, {world.n_funds} funds)."
            + (f" {n_days} new NAVs." if n_days else "")
        )
        return False
    if world is None:
        world = World.objects.create(
            seed=seed,
            n_funds=n_funds,
            n_investors=n_investors,
            n_years=years,
            n_full_lives=n_full_lives or _full_lives(n_investors),
            n_events=n_events,
        )
    started = monotonic()
    if not world.market_loaded_at:
        n_days = load_market(world, last_priced_day())
        World.objects.filter(pk=world.pk).update(market_loaded_at=timezone.now())
        say(f"  {monotonic() - started:5.1f} s  {world.n_funds} simulated funds, {n_days:,} NAVs")
    _load_people(world, lambda line: say(f"  {monotonic() - started:5.1f} s  {line}"))
    World.objects.filter(pk=world.pk).update(people_loaded_at=timezone.now())
    say(f"The simulated world is loaded, in {monotonic() - started:.0f} seconds.")
    return True


def _full_lives(n_investors: int) -> int:
    return n_investors if n_investors <= LARGEST_WITH_FULL_LIVES else FULL_LIVES_OF_A_LARGE_WORLD


def _load_people(world: World, say: Report) -> None:
    """Full lives from the beginning, unless they are complete; then whoever is missing of the short ones."""
    n_full = min(world.n_full_lives or world.n_investors, world.n_investors)
    is_large = n_full < world.n_investors
    say(f"{len(load_staff())} advisors, supervisors, marketers and administrators")
    models = approve_models()
    say(f"{models.portfolios.count()} model portfolios on a pool of {models.pool.funds.count()}, approved by the demo's supervisor")
    scenery = read_scenery()
    make_event_partitions(since=timezone.localdate() - timedelta(days=WINDOW_DAYS + 16))
    if not world.full_lives_loaded_at:
        if n_left := erase_people():
            say(f"taken back: {n_left} people of an interrupted load")
        _load_full_lives(_cast(world, scenery, n_full), scenery, world, say)
        World.objects.filter(pk=world.pk).update(full_lives_loaded_at=timezone.now())
    if is_large:
        load_crowd(world, scenery, months=MONTHS_OF_PEOPLE, say=say)
    # Last: whoever has a record cannot be taken back by a load that begins again.
    say(f"{record_history():,} entries in the record of advice")
    if is_large:
        gather_statistics()
    refresh_portraits(is_full=True, say=say)


def _load_full_lives(members: Sequence[Member], scenery: Scenery, world: World, say: Report) -> None:
    logins = [login for login in DEMO_LOGINS if login.role == Role.INVESTOR]
    sights = Sights.of(scenery, world)
    who = visitors_of_members(members, [joined_at(member, scenery) for member in members], scenery)
    clicks = draw_clicks(who, sights.places)
    visited = last_visits(clicks, len(members))
    investors = load_investors(members, scenery, logins, world.seed, visited)
    confirm_addresses()
    load_consents(members, investors)
    goals = load_goals(members, investors, scenery)
    assessments = load_assessments(members, investors, scenery)
    say(f"{len(investors)} investors, {len(goals)} goals, {len(assessments)} with a level")
    say(f"{load_proposals(goals, assessments, scenery)} proposals")
    say(f"{load_books(goals, scenery)} orders")
    say(f"{load_clicks(who, clicks, investors, sights):,} events")
    ensure_builtin_segments()


def _cast(world: World, scenery: Scenery, n: int) -> list[Member]:
    """The people of the logins first, then everybody else."""
    stage = scenery.stage()
    leads = lead_people(world.seed)
    crowd = make_people(
        n=n,
        seed=world.seed,
        items=stage.items,
        categories=sorted(set(scenery.tape.categories)),
        months=MONTHS_OF_PEOPLE,
        rules=stage.contradictions,
    )
    return [put_on_stage(person, stage) for person in [*leads, *crowd[len(leads) :]]]
