"""The share of time is kept, whatever measuring costs."""

import itertools

import pytest

from layergeom.callbacks.budget import Budget
from layergeom.errors import InputError


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def course(budget, clock, step_seconds, costs, steps, every):
    """Train; return the steps measured, and the largest share after one with three before it."""
    measured, worst = [], 0.0
    budget.start()
    costs = itertools.cycle(costs)
    for step in range(steps):
        clock.now += step_seconds
        if step % every == 0 and budget.allows():
            with budget.spending():
                clock.now += next(costs)
            if len(measured) >= 3:  # from then on the dearest of the cycle is known
                worst = max(worst, budget.share())
            measured.append(step)
    return measured, worst


def test_cheap_measurements_are_made_whenever_they_are_due():
    clock = Clock()
    measured, worst = course(Budget(0.05, clock), clock, 1.0, [0.1], 100, 10)
    assert measured == list(range(0, 100, 10))
    assert worst <= 0.05


def test_dear_ones_stretch_the_interval():
    clock = Clock()
    measured, worst = course(Budget(0.05, clock), clock, 1.0, [4.0], 1000, 10)
    assert worst <= 0.05
    gaps = [b - a for a, b in itertools.pairwise(measured)]
    assert gaps[0] == 160  # the first is paid back too: 8 s in 168 s
    assert set(gaps[1:]) == {70, 80}  # 4 s in 80 s are 5 %


def test_costs_that_vary_stay_within_the_share_too():
    clock = Clock()
    measured, worst = course(Budget(0.1, clock), clock, 1.0, [1.0, 3.0, 2.0], 2000, 5)
    assert len(measured) > 20
    assert worst <= 0.1


def test_time_that_fails_to_bring_a_result_is_time_spent():
    clock = Clock()
    budget = Budget(0.1, clock)
    budget.start()

    def fail():
        with budget.spending():
            clock.now += 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert budget.spent == 3
    assert not budget.allows()


def test_no_share_is_no_limit():
    clock = Clock()
    measured, _ = course(Budget(None, clock), clock, 0.001, [100.0], 20, 1)
    assert len(measured) == 20


def test_a_second_training_begins_with_nothing_spent():
    clock = Clock()
    budget = Budget(0.05, clock)
    course(budget, clock, 1.0, [4.0], 10, 5)
    budget.start()
    assert budget.spent == 0
    assert budget.allows()


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(InputError, match="max_share is"):
        Budget(share)
