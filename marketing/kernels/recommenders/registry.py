"""The models that compete each night. Their names are stored with a run: they do not change."""

from collections.abc import Callable

from marketing.kernels.recommenders.als import Als, AlsSettings
from marketing.kernels.recommenders.blend import Blend
from marketing.kernels.recommenders.bpr import Bpr, BprSettings
from marketing.kernels.recommenders.contract import Floats, Ints, Recommender
from marketing.kernels.recommenders.ease import Ease
from marketing.kernels.recommenders.neighbours import ItemNeighbours
from marketing.kernels.recommenders.popularity import LevelPopularity, Popularity, RecentPopularity


def candidates(seed: int, *, recent: Floats | None = None, levels: Ints | None = None) -> dict[str, Callable[[], Recommender]]:
    """A maker of each model by its name.

    `recent` holds one weight an item, decayed faster than the matrix (`recent_weights`), `levels` the level of each person of the
    matrix, 0 for none; without them recent_popularity and level_popularity do not compete. The same seed gives the same rankings
    on one machine.
    """
    makers: dict[str, Callable[[], Recommender]] = {"popularity": Popularity}
    if levels is not None:
        makers["level_popularity"] = lambda: LevelPopularity(levels)
    if recent is not None:
        makers["recent_popularity"] = lambda: RecentPopularity(recent)
    return makers | {
        "item_cosine": lambda: ItemNeighbours("cosine"),
        "item_tfidf": lambda: ItemNeighbours("tfidf"),
        "item_bm25": lambda: ItemNeighbours("bm25"),
        "ease": Ease,
        "als": lambda: Als(AlsSettings(), seed=seed),
        "bpr": lambda: Bpr(BprSettings(), seed=seed),
        "blend": lambda: Blend([(1.0, Als(AlsSettings(), seed=seed)), (1.0, Ease()), (1.0, ItemNeighbours("tfidf"))]),
    }
