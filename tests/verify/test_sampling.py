"""Random streams by their identity, and tallies."""

import hashlib
import itertools

import numpy as np
import pytest

from verify.sampling import count, entries, merge, stream

IDENTITIES = [
    (seed, sampler, point, chunk)
    for seed, sampler, point, chunk in itertools.product(
        (0, 1, 11), ("a", "b", "a1"), ('{"N": 1}', '{"N": 11}'), (0, 1, 2, 12)
    )
]


def test_a_stream_is_fixed_by_its_identity():
    """In any order, interleaved or not, and equal to what it was when this test was written."""
    forward = {key: stream(*key).standard_normal(5).tolist() for key in IDENTITIES}
    backward = {key: stream(*key).standard_normal(5).tolist() for key in reversed(IDENTITIES)}
    assert forward == backward
    first, second = stream(3, "s", "{}", 0), stream(3, "s", "{}", 1)
    mixed = [generator.standard_normal() for _ in range(4) for generator in (first, second)]
    assert mixed[::2] == stream(3, "s", "{}", 0).standard_normal(4).tolist()
    assert mixed[1::2] == stream(3, "s", "{}", 1).standard_normal(4).tolist()


def test_no_two_identities_share_a_stream():
    drawn = {tuple(stream(*key).integers(0, 2**63, 4).tolist()) for key in IDENTITIES}
    assert len(drawn) == len(IDENTITIES)


def test_the_key_is_the_hash_of_the_identity():
    """The published recipe, so that the same seed gives the same samples in later versions too."""
    digest = hashlib.blake2b(b'7\nfirst-order\n{"N": 8}\n3', digest_size=16).digest()
    expected = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
    assert stream(7, "first-order", '{"N": 8}', 3).random(3).tolist() == expected.random(3).tolist()


def test_streams_of_neighbouring_chunks_are_uncorrelated():
    """|r| of 10 000 pairs is below 0.06 except with probability 2e-9; equal or shifted streams give r near 1."""
    draws = np.array([stream(0, "s", "{}", chunk).standard_normal(10_000) for chunk in range(6)])
    for shift in (0, 1):
        table = np.corrcoef(draws[:, : 10_000 - shift], draws[:, shift:])[:6, 6:]
        if shift == 0:
            table -= np.eye(6)
        assert np.abs(table).max() < 0.06


def test_merge_adds_counts_and_joins_lists_in_order():
    tallies = [
        {"hits": 1, "x": 0.5, "logs": [1.0]},
        {"hits": 2, "x": 0.25, "logs": [2.0, 3.0]},
        {"hits": 4, "x": 0.0, "logs": []},
    ]
    assert merge(tallies) == {"hits": 7, "x": 0.75, "logs": [1.0, 2.0, 3.0]}
    assert tallies[0]["logs"] == [1.0]  # the chunks themselves are left alone
    for order in itertools.permutations(tallies):
        merged = merge(order)
        assert merged["hits"] == 7
        assert sorted(merged["logs"]) == [1.0, 2.0, 3.0]
    assert merge([merge(tallies[:2]), tallies[2]]) == merge(tallies)
    assert merge([]) == {}
    assert merge(iter(tallies[:1])) == tallies[0]


@pytest.mark.parametrize("other", [{"hits": 1}, {"hits": 1, "logs": [], "more": 0}, {}])
def test_chunks_with_other_entries(other):
    with pytest.raises(ValueError, match="chunk 1 has entries"):
        merge([{"hits": 1, "logs": []}, other])


def test_count_and_entries_want_their_kind():
    tally = {"hits": 3, "x": 0.5, "logs": [1, 2]}
    assert count(tally, "hits") == 3
    assert entries(tally, "logs") == (1, 2)
    for name in ("x", "logs"):
        with pytest.raises(TypeError, match="expected a count"):
            count(tally, name)
    for name in ("x", "hits"):
        with pytest.raises(TypeError, match="expected a list"):
            entries(tally, name)
