from setuptools import find_packages, setup

PACKAGE = "mtopt_spec"

setup(
    name=PACKAGE,
    version="0.1.0",
    description="What an observation, an action, a task, an episode and a bag are.",
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
)
