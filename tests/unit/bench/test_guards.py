"""
The benchmark of the guards judges orders that can be approved.
"""

from spark.bench.guards import GuardsBench, bench_guards


def test_what_is_measured_is_an_approval_seven_times_of_eight() -> None:
    """Orders that a guard refuses for want of a report would be cheap, and no measure."""
    said: list[str] = []
    found = bench_guards(GuardsBench(intents=10, runs=1), said.append)
    assert found["approved_share"] == 0.875
    assert len(said) == 1
