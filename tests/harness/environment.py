"""What tests/setup found out: paths and versions, read from target/setup.env."""

import functools
import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@functools.cache
def environment() -> dict[str, str]:
    """The environment for commands that build."""
    file = REPOSITORY / "target/setup.env"
    if not file.exists():
        raise RuntimeError("run tests/setup first")
    # A shell reads it as the scripts do, so that there is one format.
    command = ["bash", "-c", '. "$0" && env -0', str(file)]
    output = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    return dict(pair.split("=", 1) for pair in output.split("\0") if pair)


def private_directory() -> Path:
    """Where the private PostgreSQL lives; refused if somebody else owns it."""
    directory = Path(environment()["PRIVATE_DIR"])
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise RuntimeError(f"{directory} belongs to somebody else or is open to others")
    return directory


def server_user() -> str | None:
    """Who runs the server: PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None
