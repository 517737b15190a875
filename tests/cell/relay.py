"""A driver's process: passes a topic on, until it is killed. Arguments: type, from, to."""

import sys

from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from mtopt_spec.ros_run import run


def main() -> int:
    kind, source, goal = sys.argv[1:4]
    message = {"Image": Image, "JointState": JointState}[kind]

    def make(context):
        node = Node("driver", context=context)
        publisher = node.create_publisher(message, goal, 20)
        node.create_subscription(message, source, publisher.publish, 20, raw=True)
        return [node]

    return run(make)


if __name__ == "__main__":
    sys.exit(main())
