"""The cache of what depends on its key alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tokentape_fake_provider.script import recently_used
from tokentape_fake_provider.script.recently_used import RecentlyUsed


def test_the_least_recently_used_is_dropped() -> None:
    """A value that was read since is kept longer than one that was not."""
    kept = RecentlyUsed[str, int](8)
    for number, key in enumerate("abcdefgh"):
        assert kept.put(key, number, 1) == number
    assert kept.get("a") == 0
    kept.put("i", 8, 1)
    assert [kept.get(key) for key in "abi"] == [0, None, 8]


def test_a_large_value_is_not_kept() -> None:
    """One value does not push out all the others."""
    kept = RecentlyUsed[str, str](80)
    kept.put("small", "s", 10)
    assert kept.put("large", "l", 11) == "l"
    assert (kept.get("small"), kept.get("large"), kept.size) == ("s", None, 10)


def test_a_key_is_new_once() -> None:
    """A key is new the first time; what is known of keys is limited, and forgotten keys are new again."""
    kept = RecentlyUsed[int, int](8)
    assert [kept.is_new(1), kept.is_new(1), kept.is_new(2)] == [True, False, True]
    for number in range(100_000):
        kept.is_new(number)
    assert len(kept._asked) <= recently_used._ASKED
    assert kept.is_new(1)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6))))
def test_the_sizes_add_up_to_at_most_the_limit(puts: list[tuple[int, int]]) -> None:
    """Whatever is put, also twice under one key, the size is that of what is kept."""
    kept = RecentlyUsed[int, int](40)
    for key, size in puts:
        kept.put(key, size, size)
        assert kept.size == sum(kept.get(number) or 0 for number in range(10)) <= 40
