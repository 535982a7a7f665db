"""A scan ends within a second of being told to, wherever it is, and the session works on."""

import contextlib
import socket
import threading
import time

import psycopg
import pytest

from harness.cluster import Cluster
from harness.database import Database, create_template

# From the signal to the error in the client's hands.
AT_ONCE = 1.0
QUERY = "SELECT count(attrs) FROM ado.builds"
WAITS = "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = %s"
GONE = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)"


def wait_until(db, question: str, pid: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not db.value(question, [pid]):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def silent_socket():
    """A port that accepts connections, in the kernel, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def black_hole():
    """A port whose backlog is full, so that connecting never ends."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        yield address[1]


def elsewhere(place):
    @contextlib.contextmanager
    def situation(db):
        with place() as port:
            db.server_options(base_url=f"http://127.0.0.1:{port}/org")
            yield
            db.server_options(base_url=db.org.url)

    return situation


def fault(**description):
    @contextlib.contextmanager
    def situation(db):
        db.org.faults(description)
        yield
        db.org.faults()

    return situation


SITUATIONS = {
    "waiting for an answer on a silent connection": elsewhere(silent_socket),
    "connecting": elsewhere(black_hole),
    "waiting for headers": fault(kind="stalled_headers", endpoint="builds"),
    "waiting for the list of projects": fault(kind="stalled_headers", endpoint="projects"),
    "waiting for the rest of a body": fault(kind="stalled_body", endpoint="builds"),
    "reading a body that drips": fault(
        kind="slow_drip", endpoint="builds", after_bytes=1, delay_ms=50
    ),
    "throttled": fault(kind="throttle_429", endpoint="builds", retry_after=60),
    "throttled on the first request": fault(
        kind="throttle_429", endpoint="projects", retry_after=60
    ),
    "backing off": fault(kind="service_503", endpoint="builds"),
}


@pytest.fixture
def situation(request, db):
    with SITUATIONS[request.param](db):
        yield


every_situation = pytest.mark.parametrize("situation", SITUATIONS, indirect=True)


class Running:
    """A query that runs in a session and a thread of its own, until it waits for the service."""

    def __init__(self, db, query: str = QUERY):
        self.session = db.connect()
        self.pid = self.session.info.backend_pid
        self.error: psycopg.Error | None = None
        self.ended_at = 0.0
        self._thread = threading.Thread(target=self._run, args=[query])
        self._thread.start()
        wait_until(db, WAITS, self.pid, 10)
        # Into the middle of the wait.
        time.sleep(0.3)
        assert self._thread.is_alive()

    def _run(self, query: str) -> None:
        try:
            self.session.execute(query)
        except psycopg.Error as error:
            self.error = error
        self.ended_at = time.monotonic()

    def ended_after(self, started: float) -> float:
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()
        return self.ended_at - started


@every_situation
def test_a_cancel_takes_effect_within_a_second(db, situation):
    running = Running(db)
    started = time.monotonic()
    assert db.value("SELECT pg_cancel_backend(%s)", [running.pid])
    assert running.ended_after(started) < AT_ONCE
    assert isinstance(running.error, psycopg.errors.QueryCanceled)
    assert running.session.execute("SELECT 1").fetchone() == (1,)


@every_situation
def test_a_termination_takes_effect_within_a_second(db, situation):
    running = Running(db)
    started = time.monotonic()
    assert db.value("SELECT pg_terminate_backend(%s)", [running.pid])
    assert running.ended_after(started) < AT_ONCE
    assert isinstance(running.error, (psycopg.errors.AdminShutdown, psycopg.OperationalError))
    wait_until(db, GONE, running.pid, AT_ONCE)


@every_situation
def test_a_statement_timeout_takes_effect_within_a_second(db, situation):
    db.execute("SET statement_timeout = '400ms'")
    started = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
        db.execute(QUERY)
    assert time.monotonic() - started < 0.4 + AT_ONCE
    db.execute("RESET statement_timeout")
    assert db.value("SELECT 1") == 1


@every_situation
def test_a_cursors_fetch_can_be_cancelled(db, situation):
    db.execute("BEGIN; DECLARE c CURSOR FOR SELECT id FROM ado.builds")
    db.execute("SET LOCAL statement_timeout = '300ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute("FETCH 1 FROM c")
    db.execute("ROLLBACK")
    assert db.value("SELECT 1") == 1


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_session_reads_on_after_a_cancel(new_db, new_org, name):
    org = new_org()
    db = new_db(org)
    expected = len(org.dump("builds"))
    for _ in range(2):
        with SITUATIONS[name](db):
            db.execute("SET statement_timeout = '300ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                db.execute(QUERY)
            db.execute("RESET statement_timeout")
        if "throttled" in name:
            # The service said how long; only another credential may ask before.
            org.patch(pat="another")
            db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'another')")
        assert db.value("SELECT count(*) FROM ado.builds") == expected
        if "throttled" in name:
            org.patch(pat=org.pat)
            break


def test_a_cancel_in_the_middle_of_a_long_scan_takes_effect(new_db, new_org):
    org = new_org(projects=2, builds_per_project=20_000, gzip=False)
    db = new_db(org, page_size=20)
    session = db.connect()
    outcome = []

    def run():
        try:
            session.execute("SELECT count(attrs) FROM ado.builds")
        except psycopg.Error as error:
            outcome.append((time.monotonic(), error))

    thread = threading.Thread(target=run)
    thread.start()
    while len(org.requests("builds")) < 20:
        time.sleep(0.01)
    started = time.monotonic()
    db.execute("SELECT pg_cancel_backend(%s)", [session.info.backend_pid])
    thread.join(timeout=30)
    ((ended, error),) = outcome
    assert isinstance(error, psycopg.errors.QueryCanceled)
    assert ended - started < AT_ONCE
    settled = stable_count(org)
    time.sleep(0.3)
    assert len(org.requests()) == settled


def stable_count(org) -> int:
    """Requests once those under way have ended."""
    deadline = time.monotonic() + 10
    while org.summary()["under_way"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return len(org.requests())


def test_a_cancelled_scan_closes_its_connections(db):
    db.org.faults({"kind": "stalled_headers", "endpoint": "builds"})
    db.execute("SET statement_timeout = '300ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute(QUERY)
    # The simulator notices a client that has gone.
    stable_count(db.org)


def test_a_client_that_disconnects_is_not_waited_for(db):
    if db.connection.info.server_version < 140000:
        pytest.skip("PostgreSQL looks whether the client is there from 14 on")
    db.org.faults({"kind": "stalled_headers", "endpoint": "builds"})
    session = db.connect()
    session.execute("SET client_connection_check_interval = '200ms'")
    pid = session.info.backend_pid
    session.pgconn.send_query(QUERY.encode())
    wait_until(db, WAITS, pid, 10)
    session.pgconn.finish()
    wait_until(db, GONE, pid, 0.2 + AT_ONCE)


def test_a_fast_shutdown_does_not_wait_for_the_service(postgres, new_org):
    cluster = Cluster(postgres).start()
    try:
        create_template(cluster)
        db = Database(cluster)
        org = new_org()
        db.attach(org)
        org.faults({"kind": "stalled_headers", "endpoint": "builds"})
        running = Running(db)
        started = time.monotonic()
        cluster.restart()
        # Starting takes its time as well.
        assert time.monotonic() - started < 5
        running.ended_after(started)
        assert cluster.crashes() == []
    finally:
        cluster.stop()
