"""
Crash points: each is reached where it says, and nothing that trades can arm them.
"""

import ast

import pytest

from spark import crash_points
from spark.crash_points import REACHED_BY, Point, Unarmed
from tests.tidy.source import product_modules

_ARMING = {"spark/bench/crash/child.py"}


def test_every_point_is_reached_and_has_its_roles() -> None:
    """H2: a point that nobody comes by would make the kill matrix say too much."""
    reached = {
        node.args[0].attr
        for module in product_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "reach"
        if isinstance(node.args[0], ast.Attribute)
    }
    assert reached == {point.name for point in Point}
    assert set(REACHED_BY) == set(Point)
    assert all(REACHED_BY.values())


def test_only_the_drill_arms_them() -> None:
    """H2: no setting and no argument can: nobody else says the word."""
    arming = {
        module.path
        for module in product_modules()
        if module.path != "spark/crash_points.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.alias | ast.Attribute | ast.Name)
        if getattr(node, "name", getattr(node, "attr", getattr(node, "id", ""))) == "arm"
        if _means_crash_points(module.tree)
    }
    assert arming <= _ARMING


@pytest.mark.parametrize("point", Point)
def test_unarmed_points_do_nothing(point: Point) -> None:
    """H2: a process that trades goes on at each of them."""
    assert isinstance(crash_points._process.points, Unarmed)
    crash_points.reach(point)


def _means_crash_points(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and node.module == "spark.crash_points"
        for node in ast.walk(tree)
    )
