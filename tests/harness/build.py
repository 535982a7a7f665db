"""Builds what the suites run, when its sources changed since the last time.

With NO_BUILD=1 in the environment, what was built last is taken as it is, for running tests while
the sources are in pieces.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from .environment import REPOSITORY, environment, private_directory
from .private import PrivatePostgres, private_postgres

EXTENSION = "azure_devops_fdw"
SIMULATOR = REPOSITORY / "tests/simulator"


def extension() -> PrivatePostgres:
    """The private PostgreSQL with the extension, as the sources are now, installed."""
    with _one_at_a_time():
        postgres = private_postgres()
        files = ("Cargo.toml", "Cargo.lock", f"{EXTENSION}.control")
        sources = [REPOSITORY / name for name in files]
        sources += [file for folder in ("src", "sql") for file in (REPOSITORY / folder).rglob("*")]
        state = _checksum([*sources, Path(environment()["PG_CONFIG"])])
        stamp = postgres.prefix / "installed"
        if stamp.exists() and os.environ.get("NO_BUILD"):
            return postgres
        if not stamp.exists() or stamp.read_text() != state:
            major = environment()["PG_MAJOR"]
            features = ["--no-default-features", "--features", f"pg{major}"]
            pg_config = environment()["PG_CONFIG"]
            package = REPOSITORY / f"target/release/{EXTENSION}-pg{major}"
            # cargo-pgrx leaves the SQL of earlier versions there.
            shutil.rmtree(package, ignore_errors=True)
            _run("cargo", "pgrx", "package", "--pg-config", pg_config, *features)
            postgres.install(package, EXTENSION)
            stamp.write_text(state)
    return postgres


def simulator() -> Path:
    """The simulator's binary; cargo itself sees fast whether it is up to date."""
    binary = SIMULATOR / "target/release/azure-devops-simulator"
    if binary.exists() and os.environ.get("NO_BUILD"):
        return binary
    manifest = SIMULATOR / "Cargo.toml"
    _run("cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", str(manifest))
    return binary


def _run(*command: str) -> None:
    # stdout belongs to the caller's report.
    subprocess.run(command, check=True, cwd=REPOSITORY, env=environment(), stdin=subprocess.DEVNULL)


def _checksum(files: Iterable[Path]) -> str:
    """Of names and contents: a checkout changes times without changing anything."""
    total = hashlib.sha256()
    for file in sorted(files):
        if file.is_file():
            total.update(f"{file}\0".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two sessions may start at once; the second waits and finds everything done."""
    with open(private_directory() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
