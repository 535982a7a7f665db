"""Builds what is measured, with the release profile that Cargo.toml has.

It lies in target/bench and in a PostgreSQL copy of its own, so that the suites keep theirs.
"""

import subprocess
from pathlib import Path

from harness import build
from harness.environment import REPOSITORY, environment, private_directory
from harness.private import PrivatePostgres, private_postgres

TARGET = REPOSITORY / "target/bench"
FLOOR = REPOSITORY / "tests/bench/floor"


def extension(suites_build: bool) -> PrivatePostgres:
    """A PostgreSQL with the extension: optimised, or as the suites build it."""
    if suites_build:
        return build.extension()
    # One dictionary for the whole process: from here on everything private is the bench's own.
    own = private_directory() / "bench"
    environment().update(PRIVATE_DIR=str(own), CARGO_TARGET_DIR=str(TARGET))
    major, pg_config = environment()["PG_MAJOR"], environment()["PG_CONFIG"]
    features = ["--no-default-features", "--features", f"pg{major}"]
    _cargo("pgrx", "package", "--pg-config", pg_config, *features)
    postgres = private_postgres()
    postgres.install(TARGET / f"release/{build.EXTENSION}-pg{major}", build.EXTENSION)
    return postgres


def floor() -> Path:
    """The floor's binary."""
    manifest = str(FLOOR / "Cargo.toml")
    _cargo("build", "--quiet", "--release", "--locked", "--manifest-path", manifest)
    return TARGET / "release/azure-devops-floor"


def simulator() -> Path:
    return build.simulator()


def _cargo(*words: str) -> None:
    # Profiles of the environment would not be Cargo.toml's; the suites may be built with some.
    inherited = {k: v for k, v in environment().items() if not k.startswith("CARGO_PROFILE_")}
    own = {**inherited, "CARGO_TARGET_DIR": str(TARGET)}
    # stdout is the table's.
    subprocess.run(
        ["cargo", *words], check=True, cwd=REPOSITORY, env=own, stdout=2, stdin=subprocess.DEVNULL
    )
