"""Jobs of the real pg_cron: they bring in what changed, fail clearly, and overlap without harm.

Before version 1.5 pg_cron starts jobs at full minutes only, so that a test waits for one or two of
them. Each test has both of pg_cron's ways to run a job: background workers and connections.
"""

import re
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from harness.cluster import Cluster
from harness.database import Database, create_template
from harness.environment import environment
from harness.simulator import Organization
from test_readme import README, SCHEDULING
from truth import same

# Two full minutes, and more than enough to spare.
PATIENCE = 200
pytestmark = pytest.mark.timeout(3 * PATIENCE)
CREATE, FAILURES = SCHEDULING
SHOWN_SETTINGS = re.search(r"^```ini\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[1]


class Scheduler:
    """A server with pg_cron as the README sets it up, and a role, no superuser, that has the jobs."""

    def __init__(self, cluster: Cluster, background_workers: str):
        self.cluster = cluster
        self.background_workers = background_workers

    def start(self, org: Organization) -> None:
        create_template(self.cluster.start())
        # Before pg_cron, which would keep looking for its database.
        self.db = Database(self.cluster, "product")
        self.cluster.restart(self._settings())
        self.db.connection = self.db.connect()
        self.db.attach(org)
        self.role = self.db.role()
        self.db.map_user("ado", org.pat, self.role)
        self.db.execute(CREATE.split(";\n")[0])
        self.db.execute(f'GRANT USAGE ON SCHEMA cron, ado TO "{self.role}"')
        self.db.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA ado TO "{self.role}"')
        self.db.execute(f'CREATE SCHEMA analytics AUTHORIZATION "{self.role}"')
        self.session: psycopg.Connection = self.db.connect(self.role)
        self.session.execute("SELECT azure_devops.create_materialized_view('analytics.builds', 'ado.builds')")

    def schedule(self, statement: str) -> None:
        """Runs a cron.schedule() as the role, as often as this pg_cron can."""
        version = self.db.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_cron'")
        by_seconds = tuple(map(int, re.findall(r"\d+", version)[:2])) >= (1, 5)
        assert "*/10 * * * *" in statement
        often = "1 second" if by_seconds else "* * * * *"
        self.session.execute(statement.replace("*/10 * * * *", often))

    def last_run(self) -> int:
        return self.db.value("SELECT coalesce(max(runid), 0) FROM cron.job_run_details")

    def outcome(self, jobs: str, status: str, after: int = 0) -> str:
        """Waits until a run of such jobs has ended like this, and returns its message."""
        query = (
            "SELECT d.return_message FROM cron.job_run_details AS d JOIN cron.job AS j USING (jobid)"
            " WHERE j.jobname LIKE %s AND d.status = %s AND d.runid > %s ORDER BY d.runid LIMIT 1"
        )
        return wait_for(lambda: self.db.column(query, [jobs, status, after]), self.log)[0]

    def log(self) -> str:
        details = "SELECT runid, command, status, return_message FROM cron.job_run_details ORDER BY 1"
        return f"{self.db.rows(details)}\n{self.cluster.log_text()[-3000:]}"

    def unschedule(self) -> None:
        self.session.execute("SELECT cron.unschedule(jobid) FROM cron.job")

    def _settings(self) -> dict[str, str]:
        lines = re.findall(r"^([a-z_.]+) = '?([^'\s]+)", SHOWN_SETTINGS, re.MULTILINE)
        # Without background workers, over the socket.
        own = {
            "cron.use_background_workers": self.background_workers,
            "cron.host": str(self.cluster.socket_directory),
        }
        return {**dict(lines), **own}


def wait_for(look: Callable[[], list], explain: Callable[[], str]) -> list:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, explain()
        time.sleep(0.1)
    return found


@pytest.fixture
def org(new_org) -> Organization:
    return new_org(projects=3, builds_per_project=30)


@pytest.fixture
def schedulers(postgres, org) -> Iterator[list[Scheduler]]:
    if not (postgres.lib / "pg_cron.so").exists():
        pytest.skip(environment().get("PG_CRON_MISSING") or "tests/setup has not looked for pg_cron")
    made = [Scheduler(Cluster(postgres), mode) for mode in ("on", "off")]
    try:
        for scheduler in made:
            scheduler.start(org)
        yield made
        for scheduler in made:
            assert not scheduler.cluster.crashes()
    finally:
        for scheduler in made:
            scheduler.cluster.stop()


def test_the_jobs_of_the_readme_fail_clearly_and_then_catch_up(schedulers, org):
    org.faults({"kind": "auth_401"})
    jobs = CREATE.split(";\n")[1:3]
    for scheduler in schedulers:
        for job in jobs:
            scheduler.schedule(job)
    for scheduler in schedulers:
        for job in ("builds", "revisions"):
            assert "the service did not accept the credential" in scheduler.outcome(job, "failed")
        shown = scheduler.session.execute(FAILURES.rstrip().rstrip(";")).fetchall()
        assert {row[:2] for row in shown} == {("builds", "failed"), ("revisions", "failed")}
        assert scheduler.db.value("SELECT count(*) FROM analytics.builds") == len(org.dump("builds"))
        assert scheduler.db.value("SELECT count(*) FROM analytics.revisions") == 0

    running = [b["id"] for b in org.dump("builds") if b["status"] != "completed"]
    org.mutate(
        {"op": "finish_build", "id": running[0], "result": "failed"},
        {"op": "delete_build", "id": running[1]},
        {"op": "put_revision", "id": org.dump("revisions")[0]["id"], "fields": {"System.Title": "Changed"}},
    )
    failed = [scheduler.last_run() for scheduler in schedulers]
    org.faults()
    for scheduler, run in zip(schedulers, failed):
        assert scheduler.outcome("builds", "succeeded", run).startswith("REFRESH")
        assert scheduler.outcome("revisions", "succeeded", run).startswith("CALL")
        scheduler.unschedule()
        same(scheduler.db, "builds")
        same(scheduler.db, "work_item_revisions", "analytics.revisions")
        assert set(scheduler.db.column("SELECT last_error FROM azure_devops.bookmarks")) == {None}


def test_jobs_with_one_target_wait_or_are_refused(schedulers, org):
    running = [b["id"] for b in org.dump("builds") if b["status"] != "completed"]
    for scheduler in schedulers:
        scheduler.session.execute("CALL azure_devops.sync('ado.builds', 'analytics.synced')")
    org.mutate({"op": "finish_build", "id": running[0]}, {"op": "delete_build", "id": running[1]})
    # A run then takes long enough for others to begin.
    org.patch(latency_ms=3000)
    commands = {
        "refresh": "REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.builds",
        "sync": "CALL azure_devops.sync('ado.builds', 'analytics.synced')",
    }
    for scheduler in schedulers:
        for name, command in commands.items():
            for number in (1, 2):
                scheduler.schedule(f"SELECT cron.schedule('{name} {number}', '*/10 * * * *', $${command}$$)")
    waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'analytics.builds'::regclass"
    for scheduler in schedulers:
        wait_for(lambda: scheduler.db.rows(waiting), scheduler.log)
        message = scheduler.outcome("sync _", "failed")
        assert "another sync into analytics.synced is running" in message
    org.patch(latency_ms=0)
    for scheduler in schedulers:
        for name in ("refresh 1", "refresh 2", "sync _"):
            scheduler.outcome(name, "succeeded")
        scheduler.unschedule()
        same(scheduler.db, "builds")
        same(scheduler.db, "builds", "analytics.synced")
        failures = "SELECT DISTINCT command FROM cron.job_run_details WHERE status = 'failed'"
        assert scheduler.db.column(failures) == [commands["sync"]]
