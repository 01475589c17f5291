"""Where keys stand among others, against a search one by one."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketing.kernels.places import places_among


@given(st.sets(st.integers(-50, 50)), st.lists(st.integers(-60, 60)), st.sampled_from([1, 10**9]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a machine that stalls is no fault of the search
def test_keys_are_placed_where_a_search_one_by_one_finds_them(among, keys, stretch):
    """Near each other they are looked up in a table, a thousand million apart they are searched for."""
    ordered = sorted(one * stretch for one in among)
    place, known = places_among(np.array(ordered, np.int64), np.array(keys, np.int64) * stretch)
    assert known.tolist() == [key * stretch in ordered for key in keys]
    assert [at for at, there in zip(place.tolist(), known, strict=True) if there] == [
        ordered.index(key * stretch) for key in keys if key * stretch in ordered
    ]


def test_keys_in_rows_are_placed_in_rows_and_nothing_is_among_none():
    place, known = places_among(np.array([3, 5, 9]), np.array([[9, 4], [-1, 3]]))
    assert known.tolist() == [[True, False], [False, True]] and place[known].tolist() == [2, 0]
    place, known = places_among(np.zeros(0, np.int64), np.array([[9, 4]]))
    assert place.shape == known.shape == (1, 2) and not known.any()
