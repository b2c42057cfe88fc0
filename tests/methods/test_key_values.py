"""The cache of keys and values: bounded in bytes, each context once, and no thrashing where all of them do not fit."""

import pytest
import torch

from lib_regional.methods.common.contexts import fingerprint
from lib_regional.methods.key_values import IDLE, Block, KeyValueCache, stacked


def block(count, length=5):
    k, v = torch.randn(2, count, 2, length, 3).unbind()
    return Block(k, v)


EACH = block(1).bytes_each


def scan(cache, contents, step):
    """One step that wants ``contents``: how many it finds."""
    cache.begin(step)
    missing = [content for content in contents if cache.get("site", content) is None]
    if missing:
        cache.keep("site", missing, block(len(missing)))
    return len(contents) - len(missing)


def test_what_fits_is_found_in_every_later_step():
    cache = KeyValueCache(limit=4 * EACH)
    assert [scan(cache, "abcd", step) for step in range(3)] == [0, 4, 4] and cache.size == 4 * EACH


def test_what_does_not_fit_leaves_the_rest_alone():
    cache = KeyValueCache(limit=4 * EACH + 1)
    assert [scan(cache, "abcdef", step) for step in range(20)] == [0] + [4] * 19
    assert cache.size == 4 * EACH and [cache.get("site", c) is None for c in "abcdef"] == [False] * 4 + [True] * 2


def test_a_part_of_a_block_is_kept_in_memory_of_its_own():
    cache, made = KeyValueCache(limit=2 * EACH), block(5)
    cache.begin(0)
    cache.keep("site", range(5), made)
    kept, row = cache.get("site", 1)
    assert torch.equal(kept.k[row], made.k[1]) and torch.equal(kept.v[row], made.v[1])
    assert sum(t.untyped_storage().nbytes() for t in (kept.k, kept.v)) == 2 * EACH == cache.size


def test_a_limit_of_nothing_keeps_nothing():
    cache = KeyValueCache(limit=0)
    assert [scan(cache, "ab", step) for step in range(3)] == [0, 0, 0] and cache.size == 0


def test_contexts_that_a_schedule_left_behind_make_room():
    cache = KeyValueCache(limit=4 * EACH)
    found = [scan(cache, "abcd", step) for step in range(5)] + [scan(cache, "efgh", step) for step in range(5, 20)]
    assert found[:6] == [0, 4, 4, 4, 4, 0] and found[-5:] == [4] * 5 and found.index(4, 6) <= 5 + IDLE + 2
    assert cache.size == 4 * EACH


def test_alternating_prompts_do_not_push_each_other_out():
    cache = KeyValueCache(limit=3 * EACH)
    found = [scan(cache, ("ab", "cd")[step % 2], step) for step in range(30)]
    assert found[2:] == [2, 1] * 14


def test_sites_are_apart_and_clearing_forgets_all():
    cache = KeyValueCache()
    cache.keep("one", ["a"], block(1))
    assert cache.get("other", "a") is None and cache.get("one", "a") is not None
    cache.clear()
    assert cache.get("one", "a") is None and cache.size == 0


@pytest.mark.parametrize(
    ("rows", "copied"),
    [([0, 1, 2, 3], False), ([1, 2], False), ([2], False), ([3, 3, 3], False), ([0, 0, 1], True), ([2, 0], True)],
    ids=str,
)
def test_places_in_one_block_are_a_view_where_they_can_be(rows, copied):
    made = block(4)
    k, v = stacked([(made, row) for row in rows])
    assert torch.equal(k, made.k[rows]) and torch.equal(v, made.v[rows])
    assert (k.untyped_storage().data_ptr() != made.k.untyped_storage().data_ptr()) == copied


def test_places_in_several_blocks_are_stacked():
    one, other = block(2), block(3)
    k, v = stacked([(one, 1), (other, 2)])
    assert torch.equal(k, torch.stack([one.k[1], other.k[2]])) and torch.equal(v, torch.stack([one.v[1], other.v[2]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_contexts_are_distinguished_by_their_bits(dtype):
    x = torch.randn(77, 16).to(dtype)
    assert fingerprint(x) == fingerprint(x.clone()) == fingerprint(x.t().contiguous().t())
    changed = x.clone()
    changed[-1, -1] += 1
    assert len({fingerprint(x), fingerprint(changed), fingerprint(x.view(16, 77)), fingerprint(x.double())}) == 4


def test_what_is_asked_together_is_looked_up_at_once_and_no_longer_than_it_is_kept():
    cache, made = KeyValueCache(limit=4 * EACH), block(4)
    cache.begin(0)
    assert cache.together("site", (("a", "b"),)) is None
    cache.keep("site", "abcd", made)
    groups = (("b", "c"), ("a", "a"))
    pairs = cache.together("site", groups)
    assert torch.equal(pairs[0][0], made.k[1:3]) and torch.equal(pairs[1][1], made.v[[0, 0]])
    for step in range(1, 3 * IDLE):
        cache.begin(step)
        assert cache.together("site", groups) is pairs, "a lookup is a use: what is asked for is not idle"
    assert cache.together("site", (("a", "e"),)) is None and cache.together("other", groups) is None
    cache.keep("site", "efgh", block(4))
    assert cache.together("site", groups) is pairs, "what is in use makes no room"
    for step in range(3 * IDLE, 5 * IDLE):
        cache.begin(step)
    cache.keep("site", "efgh", block(4))
    assert cache.together("site", groups) is None and cache.size == 4 * EACH
    cache.clear()
    assert cache.together("site", (("e", "f"),)) is None


def test_what_lies_apart_is_joined_anew_each_time():
    cache = KeyValueCache(limit=4 * EACH)
    cache.begin(0)
    cache.keep("site", "a", block(1))
    cache.keep("site", "b", block(1))
    groups = (("a", "b"),)
    first, second = cache.together("site", groups), cache.together("site", groups)
    assert first is not second and all(torch.equal(one, two) for one, two in zip(first[0], second[0], strict=True))
