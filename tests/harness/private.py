"""A private copy of PostgreSQL, so that the user's stays untouched and no rights are needed.

PostgreSQL finds its library and share directories relative to the running binary. A copy that
keeps their relative places therefore uses its own directories, and an extension can be installed
there by copying files.
"""

import os
import shutil
import subprocess
from pathlib import Path

from .environment import environment, private_directory

# Neither is needed to run a server, and both are large.
_LEFT_OUT = shutil.ignore_patterns("pgxs", "bitcode", "man", "locale")


def _ask(pg_config: str | Path, what: str) -> str:
    command = [str(pg_config), what]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class PrivatePostgres:
    """The copy's directories."""

    def __init__(self, prefix: Path, original: Path, bindir: str, libdir: str, sharedir: str):
        common = os.path.commonpath([bindir, libdir, sharedir])
        self._origins = [bindir, libdir, sharedir]
        self._places = [prefix / os.path.relpath(origin, common) for origin in self._origins]
        self.prefix = prefix
        self.original = original
        self.bin, self.lib, self.share = self._places

    def program(self, name: str) -> str:
        return str(self.bin / name)

    def install(self, package: Path, name: str) -> None:
        """Installs the files of an extension, each in one step: running servers keep theirs."""
        extensions = self.share / "extension"
        suffixes = (".so", ".control", ".sql")
        found = {file.name: file for file in package.rglob(f"{name}*") if file.suffix in suffixes}
        for old in extensions.glob(f"{name}--*.sql"):
            if old.name not in found:
                old.unlink()
        for file in found.values():
            target = (self.lib if file.suffix == ".so" else extensions) / file.name
            temporary = target.with_name(f".{file.name}.{os.getpid()}")
            shutil.copyfile(file, temporary)
            temporary.chmod(0o755 if file.suffix == ".so" else 0o644)
            temporary.replace(target)

    def clone(self, prefix: Path) -> "PrivatePostgres":
        """A copy of the copy, for a test that installs something else."""
        shutil.copytree(self.prefix, prefix, symlinks=True)
        return PrivatePostgres(prefix, self.original, *self._origins)

    def unpack(self, root: Path) -> None:
        """Adds the files that stand below `root` as they would below `/`."""
        for origin, place in zip(self._origins, self._places):
            added = root / origin.lstrip("/")
            if added.exists():
                shutil.copytree(added, place, dirs_exist_ok=True)

    def uninstall(self, name: str) -> None:
        """Removes the files of an extension."""
        for file in (*(self.share / "extension").glob(f"{name}[-.]*"), self.lib / f"{name}.so"):
            file.unlink()

    def _copy(self) -> None:
        for origin, place in zip(self._origins, self._places):
            # Binaries as real files: a symlink would lead back to the original's directories.
            links = origin != str(self.original.parent)
            shutil.copytree(origin, place, symlinks=links, ignore=_LEFT_OUT)

    def _check(self) -> None:
        for what, place in (("--sharedir", self.share), ("--pkglibdir", self.lib)):
            answer = _ask(self.bin / "pg_config", what)
            if Path(answer).resolve() != place.resolve():
                raise RuntimeError(f"PostgreSQL's copy uses {answer}, not {place}")


def private_postgres() -> PrivatePostgres:
    """The copy for the PostgreSQL of PG_CONFIG; made anew when that was updated."""
    configured = environment()["PG_CONFIG"]
    directories = [_ask(configured, f"--{what}") for what in ("bindir", "pkglibdir", "sharedir")]
    original = Path(directories[0]) / "pg_config"
    server = Path(directories[0]) / "postgres"
    state = f"{_ask(configured, '--version')} {configured} {server.stat().st_mtime_ns}"
    prefix = private_directory() / f"pg{environment()['PG_MAJOR']}"
    postgres = PrivatePostgres(prefix, original, *directories)
    stamp = prefix / "copied-from"
    if not stamp.exists() or stamp.read_text() != state:
        shutil.rmtree(prefix, ignore_errors=True)
        postgres._copy()
        postgres._check()
        stamp.write_text(state)
    if (package := environment().get("PG_CRON")) and not (postgres.lib / "pg_cron.so").exists():
        postgres.install(Path(package), "pg_cron")
    return postgres
