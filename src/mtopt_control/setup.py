from setuptools import find_packages, setup

PACKAGE = "mtopt_control"

setup(
    name=PACKAGE,
    version="0.1.0",
    description="The nodes that run a robot cell, from camera to recorder.",
    maintainer="mtopt maintainers",
    maintainer_email="mtopt@example.org",
    license="Apache-2.0",
    packages=find_packages(include=[PACKAGE, PACKAGE + ".*"]),
    package_data={"": ["*.css", "*.html", "*.j2", "*.js", "*.json", "*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
    ],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "camera_node = mtopt_control.camera.camera_node:main",
            "arm_node = mtopt_control.arm.arm_node:main",
            "cell_stop_node = mtopt_control.arm.cell_stop_node:main",
            "bin_reset_node = mtopt_control.bin_reset.bin_reset_node:main",
            "episode_node = mtopt_control.episode.episode_node:main",
            "recorder_node = mtopt_control.recorder.recorder_node:main",
            "task_scheduler_node = mtopt_control.schedule.task_scheduler_node:main",
            "robot_node = mtopt_control.robot_node:main",
        ],
    },
)
