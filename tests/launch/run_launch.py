"""`ros2 launch` without ros2cli: `python run_launch.py FILE name:=value ...`; its exit code."""

import signal
import sys

from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from launch import LaunchDescription, LaunchService


def main() -> int:
    # A shell's background jobs, and so these tests there, inherit that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path, *arguments = sys.argv[1:]
    chosen = [tuple(argument.split(":=", 1)) for argument in arguments]
    service = LaunchService(argv=arguments, noninteractive=True)
    included = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(path), launch_arguments=chosen
    )
    service.include_launch_description(LaunchDescription([included]))
    return service.run()


if __name__ == "__main__":
    sys.exit(main())
