"""What a session holds does not grow with failed scans, and memory not with rows."""

import os
import threading
import time
from pathlib import Path

import psycopg
import pytest

KB = 1024
LIMIT_MB = 100


def status(pid: int, name: str) -> int:
    """A line of the process's status, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def count(pid: int, what: str) -> int:
    return len(list(Path(f"/proc/{pid}/{what}").iterdir()))


def readable(pid: int) -> bool:
    try:
        os.listdir(f"/proc/{pid}/fd")
    except (PermissionError, FileNotFoundError):
        return False
    return True


class Session:
    """A session whose backend is looked at from outside and inside."""

    def __init__(self, db):
        self.connection = db.connect()
        self.pid = self.connection.info.backend_pid
        if not readable(self.pid):
            pytest.skip("needs /proc and the right to read the server's processes there")

    def execute(self, query: str):
        return self.connection.execute(query)

    def contexts(self) -> dict[str, tuple[int, int]]:
        """Count and bytes of memory contexts by name."""
        query = "SELECT name, count(*), sum(total_bytes)::bigint FROM pg_backend_memory_contexts GROUP BY 1"
        return {name: (n, size) for name, n, size in self.execute(query).fetchall()}


def fail(session: Session, query: str, sqlstate: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(query)
    assert caught.value.sqlstate == sqlstate, caught.value


def failures(db, session: Session) -> None:
    """One of every way in which a scan may end before its end."""
    org = db.org
    # In the executor, after some rows.
    fail(session, "SELECT 1 / (id - id) FROM ado.builds", "22012")
    # In a conversion.
    fail(session, "SELECT build_number FROM misdeclared", "22P02")
    # In planning.
    fail(session, "SELECT * FROM misspelt", "HV005")
    # At the service.
    org.faults({"kind": "forbidden_403", "endpoint": "builds"})
    fail(session, "SELECT * FROM ado.builds", "42501")
    org.faults({"kind": "auth_401", "endpoint": "projects"})
    fail(session, "SELECT * FROM ado.builds", "28000")
    org.faults({"kind": "value_missing", "endpoint": "builds"})
    fail(session, "SELECT * FROM ado.builds", "HV004")
    org.faults({"kind": "reset_mid_body", "endpoint": "builds"})
    fail(session, "SELECT * FROM ado.builds", "HV00N")
    # By a timeout.
    org.faults({"kind": "stalled_body", "endpoint": "builds"})
    session.execute("SET statement_timeout = '15ms'")
    fail(session, "SELECT * FROM ado.builds", "57014")
    session.execute("SET statement_timeout = 0")
    org.faults()
    # By nobody asking for more.
    session.execute("SELECT * FROM ado.builds LIMIT 3").fetchall()
    session.execute("BEGIN; DECLARE c CURSOR FOR SELECT * FROM ado.builds; FETCH 3 FROM c")
    fail(session, "SELECT 1 / 0", "22012")
    session.execute("ROLLBACK")
    session.execute(
        "BEGIN; SAVEPOINT s; DECLARE c CURSOR FOR SELECT * FROM ado.builds; FETCH 3 FROM c"
    )
    session.execute("ROLLBACK TO s; COMMIT")
    session.execute("BEGIN; DECLARE c CURSOR FOR SELECT * FROM ado.builds; FETCH 3 FROM c; COMMIT")
    # Well.
    session.execute("SELECT * FROM ado.projects").fetchall()
    session.execute("EXPLAIN SELECT * FROM ado.builds").fetchall()


@pytest.fixture
def db(new_db, new_org):
    db = new_db(new_org(), max_retries=0, page_size=10)
    db.execute(
        "CREATE FOREIGN TABLE misdeclared (build_number int) SERVER ado OPTIONS (\"table\" 'builds');"
        "CREATE FOREIGN TABLE misspelt (que_time text) SERVER ado OPTIONS (\"table\" 'builds')"
    )
    return db


def settled(pid: int, what: str, expected: int) -> int:
    """The count, once sockets that are being closed are closed."""
    deadline = time.monotonic() + 5
    while count(pid, what) > expected and time.monotonic() < deadline:
        time.sleep(0.05)
    return count(pid, what)


@pytest.mark.timeout(300)
def test_failed_scans_leave_nothing_behind(db):
    session = Session(db)
    for _ in range(3):
        failures(db, session)
    time.sleep(0.5)
    threads, files = count(session.pid, "task"), count(session.pid, "fd")
    contexts, memory = session.contexts(), status(session.pid, "VmRSS")
    # Fourteen scans each.
    for _ in range(15):
        failures(db, session)
    assert settled(session.pid, "task", threads) <= threads
    # Connections that are kept for the next scan: at most as many as go in parallel.
    assert settled(session.pid, "fd", files) <= files + 8
    after = session.contexts()
    for name in ("TopMemoryContext", "CacheMemoryContext"):
        assert after[name][1] <= contexts[name][1] + 64 * KB, name
    grown = {
        name: (contexts.get(name), now)
        for name, now in after.items()
        if now[0] > contexts.get(name, (0, 0))[0] + 1
    }
    assert grown == {}
    assert status(session.pid, "VmRSS") < memory + 10 * KB


def test_a_session_has_one_thread_more_than_one_that_reads_nothing(db):
    session = Session(db)
    assert count(session.pid, "task") == 1
    session.execute("EXPLAIN SELECT * FROM ado.builds").fetchall()
    assert count(session.pid, "task") == 1
    for _ in range(3):
        session.execute("SELECT * FROM ado.builds").fetchall()
    # One for I/O; name lookups may have one of their own for a while.
    assert count(session.pid, "task") <= 3


def test_the_io_thread_blocks_every_signal(db):
    session = Session(db)
    session.execute("SELECT * FROM ado.projects").fetchall()
    for task in Path(f"/proc/{session.pid}/task").iterdir():
        if task.name == str(session.pid):
            continue
        lines = (task / "status").read_text().splitlines()
        (mask,) = [int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:")]
        # All but SIGKILL and SIGSTOP, which cannot be, and two of the C library's own.
        blockable = (1 << 31) - 1 & ~(1 << 8) & ~(1 << 18)
        assert mask & blockable == blockable, f"{mask:x}"


def test_many_servers_and_credentials_in_one_session_are_bounded(db, org):
    session = Session(db)
    for number in range(60):
        name = f"s{number}"
        db.execute(
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (base_url '{org.url}')"
        )
        db.map_user(name, org.pat)
        db.execute(
            f"CREATE FOREIGN TABLE p{number} (id uuid) SERVER {name} OPTIONS (\"table\" 'projects')"
        )
        assert session.execute(f"SELECT id FROM p{number}").fetchall()
        if number == 19:
            threads, files = count(session.pid, "task"), count(session.pid, "fd")
    assert count(session.pid, "task") <= threads
    assert count(session.pid, "fd") <= files + 3


@pytest.fixture(scope="module")
def large(simulator):
    """An organization of more than 200,000 builds of 6 kB; some projects are not well formed."""
    name = f"large-{os.getpid()}"
    yield simulator.organization(
        name,
        projects=14,
        builds_per_project=20_000,
        pull_requests_per_project=10,
        work_items=10,
        element_bytes=6000,
        gzip=False,
    )
    simulator.remove(name)


SCANS = {
    "count": "SELECT count(*) FROM ado.builds",
    "all columns": "SELECT count(b) FROM (SELECT * FROM ado.builds OFFSET 0) b",
    "attrs": "SELECT count(*), max(length(attrs::text)) FROM ado.builds",
    "a result of all rows": "DO $$ DECLARE b record; BEGIN FOR b IN SELECT * FROM ado.builds LOOP END LOOP; END $$",
}


class Peak:
    """The most memory that a process has had since `__enter__`, above what it had then, in MB."""

    def __init__(self, pid: int):
        self.pid = pid

    def __enter__(self) -> "Peak":
        self._base = status(self.pid, "VmRSS")
        self._most = self._base
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
            self._exact = True
        except OSError:
            self._exact = False
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()
        return self

    def _sample(self) -> None:
        while not self._over.wait(0.05):
            self._most = max(self._most, status(self.pid, "VmRSS"))

    def __exit__(self, *_) -> None:
        self._over.set()
        self._sampler.join()
        if self._exact:
            self._most = max(self._most, status(self.pid, "VmHWM"))

    @property
    def megabytes(self) -> float:
        return (self._most - self._base) / KB


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scan", SCANS)
def test_a_scan_of_a_gigabyte_stays_below_a_hundred_megabytes(new_db, large, scan):
    db = new_db(large)
    session = Session(db)
    session.execute("SET jit = off; SELECT * FROM ado.projects; SELECT id FROM ado.builds LIMIT 1")
    with Peak(session.pid) as peak:
        result = session.execute(SCANS[scan])
    if result.description:
        assert result.fetchone()[0] >= 200_000
    assert large.summary()["rows"] >= 200_000
    assert peak.megabytes < LIMIT_MB, f"{peak.megabytes:.0f} MB"


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options", [{"page_size": 5000}, {"page_size": 5000, "max_concurrency": 64}, {"max_concurrency": 64}]
)
def test_memory_holds_with_any_page_size_and_concurrency(new_db, large, options):
    session = Session(new_db(large, **options))
    session.execute("SET jit = off; SELECT * FROM ado.projects; SELECT id FROM ado.builds LIMIT 1")
    with Peak(session.pid) as peak:
        count = session.execute("SELECT count(attrs) FROM ado.builds").fetchone()[0]
    assert count >= 200_000
    assert peak.megabytes < LIMIT_MB, f"{peak.megabytes:.0f} MB"


@pytest.mark.timeout(600)
def test_memory_holds_with_elements_of_any_size(new_org, new_db):
    org = new_org(projects=20, builds_per_project=400, element_bytes=60_000, gzip=False)
    session = Session(new_db(org, max_concurrency=16))
    session.execute("SET jit = off; SELECT * FROM ado.projects")
    with Peak(session.pid) as peak:
        count = session.execute("SELECT count(attrs) FROM ado.builds").fetchone()[0]
    assert count == len(org.dump("builds"))
    assert peak.megabytes < LIMIT_MB, f"{peak.megabytes:.0f} MB"


@pytest.mark.timeout(600)
def test_memory_does_not_grow_from_scan_to_scan(new_db, large):
    db = new_db(large)
    session = Session(db)
    query = "SELECT count(attrs) FROM ado.builds WHERE project_name = (SELECT min(name) FROM ado.projects)"
    for _ in range(2):
        session.execute(query).fetchall()
    before = status(session.pid, "VmRSS")
    for _ in range(4):
        session.execute(query).fetchall()
    assert status(session.pid, "VmRSS") < before + 30 * KB


def test_a_cursor_that_waits_holds_few_pages(new_db, large):
    db = new_db(large)
    session = Session(db)
    session.execute(
        "SELECT * FROM ado.projects; BEGIN; DECLARE c CURSOR FOR SELECT * FROM ado.builds"
    )
    with Peak(session.pid) as peak:
        session.execute("FETCH 10 FROM c")
        requests = -1
        while (
            requests != (requests := len(large.requests("builds"))) or large.summary()["under_way"]
        ):
            time.sleep(0.5)
    assert peak.megabytes < LIMIT_MB, f"{peak.megabytes:.0f} MB"
    session.execute("ROLLBACK")
