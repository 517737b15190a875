from setuptools import find_packages, setup

PACKAGE = "mtopt_learning"

setup(
    name=PACKAGE,
    version="0.1.0",
    description="Bags in, policies out: dataset, success detector, QT-Opt, policy.",
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
            "policy_node = mtopt_learning.policy.policy_node:main",
            "success_detector_node = mtopt_learning.success.success_detector_node:main",
        ],
    },
)
