"""A PostgreSQL server of the private copy, with its own data, socket and port."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from .environment import private_directory, server_user
from .private import PrivatePostgres
from .processes import end_child, ends_with_parent, free_port, is_alive

# A crash of the machine is no concern here; all else is as in production.
_BASE = """
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 100
shared_buffers = 32MB
timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%d '
log_timezone = 'UTC'
"""
_SOCKETS = f"adofdw-{os.geteuid()}-"
_CRASH = re.compile(r"terminated by signal|PANIC:|terminating any other active server processes")


class Cluster:
    """Starts with `start`; `stop` removes its data as well, unless `keep`."""

    def __init__(
        self,
        postgres: PrivatePostgres,
        *,
        name: str = "cluster",
        settings: Mapping[str, str] | None = None,
        survives: bool = False,
    ):
        self.postgres = postgres
        self.settings = dict(settings or {})
        self.port = 0
        self._survives = survives
        self._process: subprocess.Popen | None = None
        _remove_abandoned()
        # The process's number in the name shows later runs whether it is still in use.
        prefix = f"{name}-{os.getpid()}-"
        self.directory = Path(tempfile.mkdtemp(prefix=prefix, dir=private_directory()))
        self.directory.chmod(0o755)
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        # Not inside `directory`: the path of a socket may have 107 bytes at most.
        prefix = f"{_SOCKETS}{prefix}"
        self.socket_directory = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
        # Only this user can reach the socket, and needs no password there. The port is open to all
        # users of the machine.
        self.password = secrets.token_hex(16)
        for folder in (self.data, self.socket_directory):
            folder.mkdir(mode=0o700, exist_ok=True)
            self._hand_over(folder)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> "Cluster":
        try:
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self

    def dsn(self, dbname: str = "postgres", user: str = "postgres", **more: str | int) -> str:
        """Connection string through the socket; host="127.0.0.1" goes through TCP, where the
        superuser has `password` and other roles whatever the test gave them."""
        address = {"host": str(self.socket_directory), "port": self.port}
        if user == "postgres" and "host" in more:
            address["password"] = self.password
        return make_conninfo("", **{**address, "dbname": dbname, "user": user, **more})

    def connect(
        self, dbname: str = "postgres", user: str = "postgres", **more
    ) -> psycopg.Connection:
        """An autocommit connection that prepares nothing on its own."""
        options = {"autocommit": True, "prepare_threshold": None, **more}
        return psycopg.connect(self.dsn(dbname, user), **options)

    def environment(self, dbname: str = "postgres", user: str = "postgres") -> dict[str, str]:
        """For psql, pg_dump and others."""
        address = {"PGHOST": str(self.socket_directory), "PGPORT": str(self.port)}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return {**inherited, **address, "PGDATABASE": dbname, "PGUSER": user}

    def psql(self, script: str, dbname: str = "postgres", *options: str, check: bool = True):
        """Runs a script and returns the finished process with its output as text."""
        command = [self.postgres.program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", *options]
        environment = self.environment(dbname)
        return subprocess.run(
            command, input=script, env=environment, check=check, capture_output=True, text=True
        )

    def log_text(self, offset: int = 0) -> str:
        with open(self.log, errors="replace") as log:
            log.seek(offset)
            return log.read()

    def log_size(self) -> int:
        return self.log.stat().st_size

    def crashes(self, offset: int = 0) -> list[str]:
        """Lines of the log that say that a server process died."""
        return [line for line in self.log_text(offset).splitlines() if _CRASH.search(line)]

    def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Stops and starts again, with these settings added."""
        self.settings.update(settings or {})
        end_child(self._process, signal.SIGINT, signal.SIGQUIT)
        self._launch()

    def stop(self, keep: bool = False) -> None:
        if self._process is not None:
            end_child(self._process, signal.SIGINT, signal.SIGQUIT)
            self._process = None
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def _initialise(self) -> None:
        command = [self.postgres.program("initdb"), "-D", str(self.data), "-U", "postgres"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        command += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        # Beside the socket, where nobody else can look.
        password = self.socket_directory / "password"
        password.write_text(self.password)
        self._hand_over(password)
        command += [f"--pwfile={password}"]
        # Not wherever the caller is: the server's user may not be able to go there.
        options = {"cwd": "/", "capture_output": True, "text": True, **self._owner()}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, **options)
        password.unlink()
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _launch(self) -> None:
        # A free port may be taken by somebody else before the server has it.
        for _ in range(5):
            self.port = free_port()
            self._write_settings()
            with open(self.log, "a") as log:
                self._process = subprocess.Popen(
                    [self.postgres.program("postgres"), "-D", str(self.data)],
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=None if self._survives else ends_with_parent(signal.SIGQUIT),
                    **self._owner(),
                )
            if self._is_ready():
                return
            self._process.wait()
        raise RuntimeError(f"the server does not start:\n{self.log_text()[-4000:]}")

    def _is_ready(self) -> bool:
        while self._process.poll() is None:
            try:
                psycopg.connect(self.dsn(), connect_timeout=10).close()
                return True
            except psycopg.OperationalError:
                time.sleep(0.05)
        return False

    def _write_settings(self) -> None:
        own = {"port": str(self.port), "unix_socket_directories": str(self.socket_directory)}
        lines = [f"{name} = '{value}'" for name, value in {**own, **self.settings}.items()]
        file = self.data / "postgresql.conf"
        file.write_text(_BASE + "\n".join(lines) + "\n")
        self._hand_over(file)

    @staticmethod
    def _hand_over(path: Path) -> None:
        if server_user():
            shutil.chown(path, server_user(), server_user())

    def _owner(self) -> dict[str, object]:
        user = server_user()
        if user is None:
            return {}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "HOME"))}
        return {"user": user, "group": user, "extra_groups": [], "env": environment}


def _remove_abandoned() -> None:
    """Runs that were killed left files behind; their servers ended with them."""
    own = [*private_directory().glob("cluster-*-*"), *Path("/tmp").glob(f"{_SOCKETS}cluster-*-*")]
    for directory in own:
        if not is_alive(int(directory.name.split("-")[-2])):
            shutil.rmtree(directory, ignore_errors=True)
