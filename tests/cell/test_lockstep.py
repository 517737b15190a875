"""Who is waited for, and when the clock ticks: wall time is an argument."""

from mtopt_sim.lockstep import Lockstep


def make(robots=("robot_1", "robot_2")) -> Lockstep:
    lockstep = Lockstep(robots, now_s=0.0, timeout_s=2.0, start_timeout_s=30.0)
    show_all(lockstep, robots)
    return lockstep


def show_all(lockstep, robots=("robot_1", "robot_2")):
    for robot in robots:
        lockstep.show(robot)


def tick(lockstep, now_s, robots=("robot_1", "robot_2")):
    """All robots command; the clock ticks."""
    for robot in robots:
        assert lockstep.command(robot, lockstep.shown(robot))
    ready = lockstep.ready(now_s)
    lockstep.advanced(now_s)
    show_all(lockstep, ready)
    return ready


def test_the_clock_waits_for_the_slowest_robot():
    lockstep = make()
    assert lockstep.command("robot_1", 0)
    assert lockstep.ready(29.0) == ()
    assert lockstep.command("robot_2", 0)
    assert lockstep.ready(29.0) == ("robot_1", "robot_2")
    lockstep.advanced(29.0)
    assert lockstep.tick == 1
    assert lockstep.ready(29.0) == (), "a command counts for one tick"


def test_a_second_command_and_one_of_another_tick_are_refused():
    lockstep = make()
    tick(lockstep, 0.0)
    assert not lockstep.command("robot_1", 0), "answers an observation that is past"
    assert lockstep.command("robot_1", 1)
    assert not lockstep.command("robot_1", 1), "the second one of a tick"


def test_a_silent_robot_stands_still_and_is_waited_for_again_when_it_speaks():
    lockstep = make()
    tick(lockstep, 0.0)
    lockstep.command("robot_1", 1)
    assert lockstep.ready(1.9) == ()
    assert lockstep.ready(2.1) == ("robot_1",), "only its own station advances"
    lockstep.advanced(2.1)
    lockstep.show("robot_1")
    assert lockstep.away() == ("robot_2",)
    lockstep.command("robot_1", 2)
    assert lockstep.ready(2.2) == ("robot_1",), "not waited for any more"
    lockstep.advanced(2.2)
    lockstep.show("robot_1")
    assert lockstep.command("robot_2", 1), "it answers what it was shown last"
    lockstep.command("robot_1", 3)
    assert lockstep.ready(2.3) == ("robot_1", "robot_2")
    lockstep.advanced(2.3)
    show_all(lockstep)
    lockstep.command("robot_1", 4)
    assert lockstep.ready(2.4) == (), "waited for again"


def test_a_robot_that_left_is_not_waited_for_but_one_that_starts_is():
    lockstep = make()
    assert not lockstep.leave("robot_2"), "it has not spoken yet: it is starting"
    tick(lockstep, 0.0)
    lockstep.command("robot_1", 1)
    assert lockstep.leave("robot_2")
    assert lockstep.ready(0.1) == ("robot_1",)


def test_time_stands_still_while_nobody_commands():
    lockstep = make()
    tick(lockstep, 0.0)
    assert lockstep.ready(1000.0) == ()
    assert lockstep.tick == 1


def test_a_robot_that_is_away_may_answer_any_observation_of_its_still_station():
    lockstep = make()
    tick(lockstep, 0.0)
    for number in (1, 2, 3):
        lockstep.command("robot_1", number)
        lockstep.ready(3.0 * number)
        lockstep.advanced(3.0 * number)
        show_all(lockstep)
    assert not lockstep.command("robot_2", 0), "from before its station moved"
    assert not lockstep.command("robot_2", 5), "not shown yet"
    assert lockstep.command("robot_2", 1)
    assert not lockstep.command("robot_2", 4), "the second one"
