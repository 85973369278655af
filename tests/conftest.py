"""The fixtures that all tests share, each kind in its own module."""

pytest_plugins = [
    "tests.fixtures.stack",
    "tests.fixtures.database",
    "tests.fixtures.search",
    "tests.fixtures.mail",
    "tests.fixtures.node",
    "tests.fixtures.receiver",
    "tests.cloud.localstripe",
]
