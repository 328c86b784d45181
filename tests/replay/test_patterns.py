"""Which events a rule's pattern means."""

from __future__ import annotations

import pytest

from ionfleet_replay.errors import PatternError
from ionfleet_replay.patterns import compile_pattern

EVENT = {
    "source": "aws.s3",
    "account": "1",
    "detail": {"bucket": {"name": "in"}, "object": {"key": "datasets/a/Brain.imzML", "size": 7}, "tags": ["x", "y"]},
}


def key(alternative):
    return {"detail": {"object": {"key": [alternative]}}}


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.sqs", "aws.s3"]},
        {"detail": {"object": {"size": [7]}}},
        {"detail": {"tags": ["y"]}},
        key({"prefix": "datasets/"}),
        key({"prefix": {"equals-ignore-case": "DATASETS/"}}),
        key({"suffix": ".imzML"}),
        key({"suffix": {"equals-ignore-case": ".IMZML"}}),
        key({"equals-ignore-case": "DATASETS/A/brain.imzml"}),
        key({"wildcard": "datasets/*/*.imzML"}),
        key({"anything-but": ["other"]}),
        key({"anything-but": {"prefix": "databases/"}}),
        key({"exists": True}),
        {"detail": {"missing": [{"exists": False}]}},
        {"detail": {"nothing": {"missing": [{"exists": False}]}}},
    ],
)
def test_a_pattern_matches(pattern):
    assert compile_pattern(pattern)(EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.sqs"]},
        {"source": ["aws.s3"], "account": ["2"]},
        {"detail": {"object": {"size": ["7"]}}},
        {"detail": {"object": {"size": [True]}}},
        {"detail": {"missing": ["x"]}},
        {"detail": {"missing": [{"anything-but": ["x"]}]}},
        {"source": {"nested": ["aws.s3"]}},
        key({"prefix": "Datasets/"}),
        key({"suffix": ".imzml"}),
        key({"suffix": ".imzML.txt"}),
        key({"wildcard": "datasets/*.ibd"}),
        key({"wildcard": "data"}),
        key({"anything-but": {"suffix": ".imzML"}}),
        key({"exists": False}),
        {"detail": {"object": {"size": [{"prefix": "7"}]}}},
    ],
)
def test_a_pattern_does_not_match(pattern):
    assert not compile_pattern(pattern)(EVENT)


def test_a_star_is_the_only_special_character_of_a_wildcard():
    assert not compile_pattern(key({"wildcard": "datasets/a/Brain.imz.L"}))(EVENT)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (key({"numeric": [">", 5]}), "'numeric'"),
        (key({"cidr": "10.0.0.0/24"}), "'cidr'"),
        (key({"prefix": {"anything": "x"}}), "'prefix'"),
        (key({"prefix": "a", "suffix": "b"}), "one operator"),
        ({"$or": [{"source": ["aws.s3"]}]}, r"\$or"),
        ({"source": "aws.s3"}, "a list of alternatives"),
        ({"source": []}, "a list of alternatives"),
        ({}, "an object with fields"),
    ],
)
def test_what_is_not_implemented_is_refused_when_the_pattern_is_compiled(pattern, found):
    with pytest.raises(PatternError, match=found):
        compile_pattern(pattern)


def test_a_refusal_says_where_the_operator_stands():
    with pytest.raises(PatternError, match=r"\$\.detail\.object\.key"):
        compile_pattern(key({"numeric": [">", 5]}))
