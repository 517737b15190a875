"""Time that goes back is told once, by whichever tells first: stamps or /clock."""

import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from mtopt_spec import ros_messages
from mtopt_spec.ros_time_jump import TimeJumps
from mtopt_spec.time_jump import StampWatch


def test_a_stream_is_compared_with_itself():
    watch = StampWatch()
    assert not any(watch.went_back("a", s) for s in (5.0, 5.2, 5.2, 5.15))
    assert not watch.went_back("b", 1.0), "another stream may be behind"
    assert watch.went_back("a", 5.0), "by a control period"
    assert not watch.went_back("a", 5.0)
    assert watch.went_back("a", 0.0)
    assert not watch.went_back("b", 0.4), "it began anew with the other one"


def test_a_clock_that_is_set_back_tells_only_where_something_is_ahead_of_it():
    watch = StampWatch()
    watch.went_back("a", 0.2)
    assert not watch.set_back(0.2)
    watch.went_back("b", 90.0)
    assert watch.set_back(0.2) and not watch.set_back(0.2)


@pytest.fixture
def told(domain_id):
    """A node on /clock; `told(clock_s=...)` sets its clock, `told.see` shows it a stamp."""
    context = Context()
    context.init(domain_id=domain_id)
    node = Node("goes_by_clock", context=context,
                parameter_overrides=[Parameter("use_sim_time", value=True)])  # fmt: skip
    clock = node.create_publisher(Clock, "/clock", 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    calls = []
    jumps = TimeJumps(node, calls.append)

    def set_clock(clock_s):
        def there():
            return abs(node.get_clock().now().nanoseconds * 1e-9 - clock_s) < 1e-6

        for _ in range(600):
            clock.publish(Clock(clock=ros_messages.to_time(clock_s)))
            executor.spin_once(timeout_sec=0.05)
            if there():
                return len(calls)
        raise AssertionError("the clock was never set")

    set_clock.see = lambda stamp_s: (jumps.see("joint_states", stamp_s), len(calls))[1]
    yield set_clock
    executor.shutdown(timeout_sec=0)
    node.destroy_node()
    context.try_shutdown()


def test_stamps_that_tell_first(told):
    told(50.0)
    assert told.see(50.0) == 0
    assert told.see(0.2) == 1
    assert told(0.2) == 1, "nothing new"


def test_a_clock_that_tells_first(told):
    told(50.0)
    assert told.see(50.0) == 0
    assert told(0.2) == 1
    assert told.see(0.2) == 1, "nothing new"
    assert told(0.4) == 1 and told.see(0.4) == 1
