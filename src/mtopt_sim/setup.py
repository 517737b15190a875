from setuptools import find_packages, setup

PACKAGE = "mtopt_sim"

setup(
    name=PACKAGE,
    version="0.1.0",
    description="The cell in MuJoCo, built from its SDF world and URDF.",
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
            "gazebo_arm_node = mtopt_sim.gazebo_arm_node:main",
            "gazebo_truth_node = mtopt_sim.gazebo_truth_node:main",
            "simulator_node = mtopt_sim.simulator_node:main",
        ],
    },
)
