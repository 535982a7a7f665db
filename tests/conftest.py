"""Fixtures of all suites.

cluster     (session) a running private PostgreSQL with the extension installed
simulator   (session) a running simulator
org         a fresh, small organization with a name of its own
db          a fresh database whose schema `ado` shows `org`

A test fails when a server process died while it ran, whatever the test itself saw.
"""

import itertools
import os
from collections.abc import Iterator

import pytest

from harness import build
from harness.cluster import Cluster
from harness.database import Database, create_template
from harness.simulator import Organization, Simulator

_numbers = itertools.count(1)

# Enough for several pages of small size, and still read within milliseconds.
SMALL = {
    "projects": 3,
    "builds_per_project": 40,
    "pull_requests_per_project": 20,
    "work_items": 30,
    "element_bytes": 2000,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-cluster", action="store_true", help="keep the server's data and log")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds what the chosen tests need here, where no test's time limit runs."""
    if session.config.option.collectonly:
        return
    needed = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        if "postgres" in needed:
            build.extension()
        # Always: some tests start it on their own.
        build.simulator()


@pytest.fixture(scope="session")
def postgres():
    """The private PostgreSQL's directories, with the extension as the sources are now."""
    return build.extension()


@pytest.fixture(scope="session")
def cluster(postgres, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    cluster = Cluster(postgres).start()
    try:
        create_template(cluster)
        yield cluster
    finally:
        keep = request.config.getoption("--keep-cluster")
        cluster.stop(keep)
        if keep:
            print(f"\nkept: {cluster.directory}")


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    simulator = Simulator.start(build.simulator())
    yield simulator
    simulator.stop()


@pytest.fixture
def new_org(simulator: Simulator):
    """Makes organizations: `new_org(builds_per_project=7, traps={…})`, small unless told."""
    made = []

    def make(**specification) -> Organization:
        name = f"org-{os.getpid()}-{next(_numbers)}"
        made.append(name)
        return simulator.organization(name, **{**SMALL, **specification})

    yield make
    for name in made:
        simulator.remove(name)


@pytest.fixture
def org(new_org) -> Organization:
    return new_org()


@pytest.fixture
def new_db(cluster: Cluster):
    """Makes databases: `new_db(org, page_size=10)`; the options are the server's."""
    made = []

    def make(org: Organization | None = None, **options) -> Database:
        database = Database(cluster)
        made.append(database)
        if org is not None:
            database.attach(org, **options)
        return database

    yield make
    for database in made:
        database.drop()


@pytest.fixture
def db(new_db, org: Organization) -> Database:
    return new_db(org)


@pytest.fixture(autouse=True)
def no_crash(request: pytest.FixtureRequest) -> Iterator[None]:
    """A session that the server ended for a crash elsewhere sees only a lost connection."""
    if "cluster" not in request.fixturenames:
        yield
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    before = cluster.log_size()
    yield
    assert not cluster.crashes(before)
