"""PostgreSQL, the simulator, and organizations to read."""

import contextlib
import math
import urllib.parse
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import psycopg
from harness.cluster import Cluster
from harness.database import Database, create_template
from harness.simulator import Organization, Simulator

from . import build
from .usage import Cost, measure, measure_child

# The simulator deletes some of its builds, which no list shows.
_LISTED = 0.97
# Two of the simulator's projects are not wellFormed.
_OTHER_PROJECTS = 2
# As the extension has it.
CONCURRENCY = 8

THREE = "id, result, finish_time"


class Stage:
    """Everything that the measurements need."""

    def __init__(self, cluster: Cluster, simulator: Simulator, floor: Path, arguments: Namespace):
        self.arguments = arguments
        self.cluster = cluster
        self.simulator = simulator
        self.database = Database(cluster, "bench")
        self._floor = floor

    @property
    def serving(self) -> int:
        """The simulator's process."""
        return self.simulator.process.pid

    @contextlib.contextmanager
    def organization(self, name: str, builds: int, **more: object) -> Iterator[Organization]:
        """An organization of that size; its foreign tables are in the schema of its name."""
        projects = self.arguments.projects
        org = self.simulator.organization(
            name,
            projects=projects + (_OTHER_PROJECTS if projects + _OTHER_PROJECTS >= 6 else 0),
            builds_per_project=math.ceil(builds / projects / _LISTED),
            pull_requests_per_project=0,
            work_items=0,
            element_bytes=self.arguments.bytes,
            gzip=False,
            **more,
        )
        self.database.attach(org, server=name, schema=name)
        try:
            yield org
        finally:
            self.simulator.remove(name)

    def connect(self) -> psycopg.Connection:
        """A backend that has done nothing yet but start."""
        connection = self.database.cluster.connect(self.database.name)
        connection.execute("SELECT 1")
        return connection

    def run(self, statement: str) -> Cost:
        """What a statement costs in a backend of its own."""
        with self.connect() as connection:
            pid = connection.info.backend_pid
            return measure(pid, self.serving, lambda: connection.execute(statement))

    def urls(self, org: Organization, statement: str) -> list[str]:
        """The requests that the statement sends."""
        self.simulator.clear()
        self.database.execute(statement)
        return [
            f"{self.simulator.url}{urllib.parse.quote(entry['path'])}?{entry['raw_query']}"
            for entry in org.requests()
        ]

    def floor_command(self, org: Organization) -> list[str]:
        return [str(self._floor), str(CONCURRENCY), org.pat]

    def floor(self, org: Organization, urls: list[str]) -> Cost:
        """What the same requests cost without rows."""
        command = self.floor_command(org)
        cost, output = measure_child(command, self.serving, "".join(f"{url}\n" for url in urls))
        requests, _ = output.split()
        if int(requests) != len(urls):
            raise RuntimeError(f"the floor sent {requests} requests instead of {len(urls)}")
        return cost

    def all_columns(self, schema: str, *but: str) -> str:
        query = """SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                   WHERE attrelid = %s::regclass AND attnum > 0 AND attname <> ALL (%s)"""
        return self.database.value(query, [f"{schema}.builds", list(but)])


def scanning(columns: str, schema: str) -> str:
    """Makes these columns of all builds, and no text of them: what the scan alone costs."""
    select = f"SELECT {columns} FROM {schema}.builds"
    return f"BEGIN; DECLARE all_rows CURSOR FOR {select}; MOVE FORWARD ALL IN all_rows; COMMIT"


def copying(columns: str, schema: str) -> str:
    """Makes these columns of all builds and writes them out."""
    return f"COPY (SELECT {columns} FROM {schema}.builds) TO '/dev/null'"


@contextlib.contextmanager
def stage(arguments: Namespace) -> Iterator[Stage]:
    """Builds, starts, and ends everything."""
    floor, serving = build.floor(), build.simulator()
    cluster = Cluster(build.extension(arguments.suites_build), name="cluster-bench").start()
    try:
        create_template(cluster)
        simulator = Simulator.start(serving)
        try:
            yield Stage(cluster, simulator, floor, arguments)
        finally:
            simulator.stop()
    finally:
        cluster.stop()
