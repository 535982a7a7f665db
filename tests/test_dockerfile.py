"""The Dockerfile is sound, and takes all that a build needs from the repository.

The image itself is not built here: that needs an engine.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.build import EXTENSION, REPOSITORY
from harness.environment import environment

DOCKERFILE = REPOSITORY / "packaging/Dockerfile"
# Packages are not pinned: Debian drops a version from its archive when there is a newer one.
IGNORED = ("--ignore", "DL3008")


def check(text: str) -> subprocess.CompletedProcess:
    linter = Path(sys.prefix) / "bin/hadolint"
    return subprocess.run(
        [linter, "--no-color", *IGNORED, "-"], input=text, capture_output=True, text=True
    )


def copies() -> list[tuple[str, str]]:
    """What is copied from the repository: pairs of source and target."""
    found = []
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE.read_text(), re.MULTILINE):
        *sources, target = line.split()
        if not sources[0].startswith("--from="):
            found += [(source, target) for source in sources]
    return found


def test_the_linter_finds_nothing():
    done = check(DOCKERFILE.read_text())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("WORKDIR /source", "WORKDIRS /source"),
        ("COPY sql sql", "COPY sql"),
        (' "$version"', ' "$version'),
    ],
)
def test_the_linter_finds_what_is_wrong(right, wrong):
    text = DOCKERFILE.read_text() + 'RUN version=1 && echo "$version"\n'
    assert right in text
    assert check(text).returncode == 0
    assert check(text.replace(right, wrong)).returncode != 0


def test_what_is_copied_is_enough_to_build(tmp_path):
    assert copies()
    for source, target in copies():
        assert (REPOSITORY / source).exists(), source
        place = tmp_path / target / ("" if (REPOSITORY / source).is_dir() else source)
        if (REPOSITORY / source).is_dir():
            shutil.copytree(REPOSITORY / source, place)
        else:
            shutil.copyfile(REPOSITORY / source, place)
    # Cargo fails if a file of a target is not there.
    command = ["cargo", "metadata", "--no-deps", "--locked", "--format-version=1"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"{EXTENSION}.control").is_file()
    read = re.findall(r'extension_sql_file!\("\.\./(.*?)"', (tmp_path / "src/lib.rs").read_text())
    assert read and all((tmp_path / file).is_file() for file in read)
    for script in REPOSITORY.glob(f"sql/{EXTENSION}--*.sql"):
        assert (tmp_path / "sql" / script.name).is_file()


def test_its_versions_can_be_built():
    text = DOCKERFILE.read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", text, re.MULTILINE))
    cargo = (REPOSITORY / "Cargo.toml").read_text()
    assert f"pg{arguments['PG_MAJOR']} = " in cargo
    oldest = re.search(r'^rust-version = "(.*)"', cargo, re.MULTILINE)[1]
    chosen, needed = (tuple(map(int, v.split("."))) for v in (arguments["RUST_VERSION"], oldest))
    assert chosen >= needed
    # The line that finds cargo-pgrx's version finds the one of Cargo.toml.
    expression = re.search(r"sed -nE '(.*)' Cargo\.toml", text)[1]
    command = ["sed", "-nE", expression, REPOSITORY / "Cargo.toml"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", found) and f'pgrx = "={found}"' in cargo


def test_the_readme_and_the_dockerfile_tell_the_same_command():
    readme = (REPOSITORY / "README.md").read_text()
    command = re.search(r"`(docker build [^`]*)`", readme)[1]
    assert f"#   {command}\n" in DOCKERFILE.read_text()
    assert f"--file {DOCKERFILE.relative_to(REPOSITORY)} " in command
