"""
The gateway's benchmark, small: everything is acknowledged, over a bounded number of connections.
"""

from spark.bench.gateway import GatewayBench, bench_gateway


async def test_a4_every_order_goes_over_a_few_connections_that_are_kept_alive() -> None:
    """A4: keep-alive, and never more requests at a time than the account may have."""
    bench = GatewayBench(orders=300, runs=1, concurrency=4)
    lines: list[str] = []
    found = await bench_gateway(bench, lines.append)
    assert found["connections"] == 4
    assert found["orders"] == 300
    assert len(lines) == 2
