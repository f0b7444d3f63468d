"""A sample of the cases, for runs that look for differences of Python and of packages, which few cases show."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator


def sampled(cases: Iterable[str], one_in: int) -> Iterator[bool]:
    """Whether each case, by its node id, is in the sample: the first of each test is, and one in so many of the others.

    The sample is the same in each run and in each worker. It has no stride, which may meet one of two backends only.
    """
    tests = set[str]()
    for case in cases:
        test = case.partition("[")[0]
        yield test not in tests or zlib.crc32(case.encode()) % one_in == 0
        tests.add(test)
