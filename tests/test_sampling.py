"""What runs with `--sample N`."""

from __future__ import annotations

from tests.sampling import sampled


def test_each_test_runs_and_few_of_its_cases() -> None:
    """No test is left out, its first case is there, about one in N of the others, of each backend; 1 keeps all."""
    cases = [f"a.py::test[{number}-{backend}]" for number in range(400) for backend in ("asyncio", "trio")]
    cases += ["a.py::test_once", "b.py::test[0]", "b.py::test[1]"]
    kept = [case for case, is_kept in zip(cases, sampled(cases, 10), strict=True) if is_kept]
    assert kept[0] == cases[0]
    assert {"a.py::test_once", "b.py::test[0]"} <= set(kept)
    assert all(20 < sum(case.endswith(f"{backend}]") for case in kept) < 60 for backend in ("asyncio", "trio"))
    assert all(sampled(cases, 1))
