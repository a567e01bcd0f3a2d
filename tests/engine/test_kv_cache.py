"""Keys and values in buffers of a fixed size."""

import torch

from indextts_daemon.engines.indextts.kv_cache import StaticKVCache


def cache_of(*, batch: int, rows: int) -> StaticKVCache:
    like = torch.zeros(0)
    return StaticKVCache.empty(layers=2, batch=batch, heads=2, rows=rows, channels=4, like=like)


def test_an_update_writes_its_rows_and_leaves_the_rest() -> None:
    cache = cache_of(batch=1, rows=5)
    new = torch.randn(1, 2, 2, 4)
    keys, values = cache.update(1, torch.tensor([3, 1]), new, -new)
    assert torch.equal(keys[:, :, [3, 1]], new)
    assert torch.equal(values, -keys)
    assert not keys[:, :, [0, 2, 4]].any()
    assert not cache.keys[0].any()


def test_the_first_rows_are_the_same_memory() -> None:
    cache = cache_of(batch=1, rows=5)
    part = cache.first(2)
    part.update(0, torch.tensor([1]), torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4))
    part.visible[0, 0] = False
    assert part.num_rows == 2
    assert cache.keys[0, 0, :, 1].all()
    assert cache.visible.tolist() == [[False, True, True, True, True]]


def test_all_of_a_batch_begin_with_the_rows_of_one() -> None:
    one, three = cache_of(batch=1, rows=2), cache_of(batch=3, rows=4)
    one.keys.normal_()
    one.values.normal_()
    one.visible[0, 0] = False
    three.begin_with(one)
    for place in range(3):
        assert torch.equal(three.keys[:, place, :, :2], one.keys[:, 0])
        assert torch.equal(three.values[:, place, :, :2], one.values[:, 0])
        assert three.visible[place].tolist() == [False, True, True, True]
    assert not three.keys[:, :, :, 2:].any()


def test_a_reordered_batch_is_what_was_named() -> None:
    cache = cache_of(batch=3, rows=2)
    cache.keys.normal_()
    cache.values.normal_()
    cache.visible[1, 0] = False
    keys, values = cache.keys.clone(), cache.values.clone()
    cache.reorder(torch.tensor([1, 1, 0]))
    assert torch.equal(cache.keys, keys[:, [1, 1, 0]])
    assert torch.equal(cache.values, values[:, [1, 1, 0]])
    assert cache.visible[:, 0].tolist() == [False, False, True]
