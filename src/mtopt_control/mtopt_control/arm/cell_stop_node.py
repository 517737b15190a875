"""The stop service of the whole cell; it keeps saying so to arms that come later."""

from __future__ import annotations

from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from mtopt_control.arm.ros_stop import CELL_STOP, LATCHED
from mtopt_spec.ros_run import run


class CellStopNode(Node):
    """`/cell/stop` with true stops every arm; with false it only ends the stop for new arms.

    An arm that has stopped moves again after its own `arm/resume`.
    """

    def __init__(self, *, context=None, parameter_overrides=None, **options):
        super().__init__(
            "cell_stop_node",
            context=context,
            parameter_overrides=parameter_overrides or [],
            **options,
        )
        self._stop = self.create_publisher(Bool, CELL_STOP, LATCHED)
        self.create_service(SetBool, "/cell/stop", self._on_stop)

    def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._stop.publish(Bool(data=request.data))
        listeners = self.get_subscriptions_info_by_topic(CELL_STOP)  # an arm's are several
        arms = len({x.node_namespace for x in listeners if x.node_name == "arm_node"})
        said = "stop" if request.data else "no stop any more; each arm waits for its arm/resume"
        self.get_logger().warning(f"told {arms} arms: {said}")
        response.success, response.message = True, f"told {arms} arms: {said}"
        return response


def main() -> int:
    """Runs the node until it is stopped."""
    return run(lambda context: [CellStopNode(context=context)])


if __name__ == "__main__":
    raise SystemExit(main())
