"""What the suites rely on: a PostgreSQL of their own, apart from the user's."""

import subprocess

import psycopg
import pytest

from harness.cluster import Cluster
from harness.environment import environment
from harness.processes import is_alive


def test_server_uses_the_private_copy_only(cluster):
    with cluster.connect() as connection:
        query = "SELECT name, setting FROM pg_config WHERE name IN ('SHAREDIR', 'PKGLIBDIR')"
        directories = dict(connection.execute(query).fetchall())
    prefix = str(cluster.postgres.prefix)
    assert all(directory.startswith(prefix) for directory in directories.values())
    command = [environment()["PG_CONFIG"], "--sharedir"]
    original = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert directories["SHAREDIR"] != original


def test_tcp_asks_for_the_password(cluster):
    with psycopg.connect(cluster.dsn(host="127.0.0.1")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(cluster.dsn(host="127.0.0.1", password="wrong"))


def test_another_server_takes_settings_and_leaves_nothing(postgres):
    server = Cluster(postgres, settings={"work_mem": "5MB"}).start()
    try:
        with server.connect() as connection:
            assert connection.execute("SHOW work_mem").fetchone() == ("5MB",)
        server.restart({"work_mem": "6MB"})
        with server.connect() as connection:
            assert connection.execute("SHOW work_mem").fetchone() == ("6MB",)
        assert not server.crashes()
    finally:
        pid = server.pid
        server.stop()
    assert not is_alive(pid)
    assert not server.directory.exists() and not server.socket_directory.exists()


def test_death_of_a_backend_is_noticed(postgres):
    server = Cluster(postgres).start()
    try:
        connection = server.connect()
        with server.connect() as other, pytest.raises(psycopg.OperationalError):
            pid = connection.info.backend_pid
            other.execute("COPY (SELECT 1) TO PROGRAM %s" % f"'kill -SEGV {pid}; sleep 1'")
            other.execute("SELECT 1")
        assert server.crashes()
    finally:
        server.stop()
