"""The Debian package: what it says of itself, what it holds, and that it works when unpacked."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from harness.build import EXTENSION, REPOSITORY
from harness.cluster import Cluster
from harness.environment import environment, private_directory
from harness.simulator import Organization
from truth import keys_held

MAJOR = environment()["PG_MAJOR"]
NAME = f"postgresql-{MAJOR}-azure-devops-fdw"
DOCUMENTS = f"usr/share/doc/{NAME}"
LIBRARY = f"usr/lib/postgresql/{MAJOR}/lib/{EXTENSION}.so"
PKGLIBDIR = subprocess.run(
    [environment()["PG_CONFIG"], "--pkglibdir"], check=True, capture_output=True, text=True
).stdout.strip()

pytestmark = [
    pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="there is no dpkg-deb here"),
    pytest.mark.skipif(
        PKGLIBDIR != f"/usr/lib/postgresql/{MAJOR}/lib",
        reason="PG_CONFIG belongs to no package of Debian",
    ),
]


def run(*command: str | Path) -> str:
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def version() -> str:
    return re.search(r'^version = "(.*)"', (REPOSITORY / "Cargo.toml").read_text(), re.M)[1]


@pytest.fixture(scope="module")
def package(postgres) -> Path:
    """The package, made of what the suites themselves test."""
    architecture = run("dpkg", "--print-architecture").strip()
    file = REPOSITORY / f"target/{NAME}_{version()}_{architecture}.deb"
    file.unlink(missing_ok=True)
    run("packaging/deb", f"target/release/{EXTENSION}-pg{MAJOR}")
    assert file.exists()
    return file


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "--raw-extract", package, root)
    return root


def test_metadata(package):
    fields = dict(
        re.findall(r"^(\S+): (.*(?:\n .*)*)", run("dpkg-deb", "--field", package), re.MULTILINE)
    )
    assert fields["Package"] == NAME
    assert fields["Version"] == version()
    assert fields["Architecture"] == run("dpkg", "--print-architecture").strip()
    assert fields["Section"] == "database" and fields["Priority"] == "optional"
    assert re.fullmatch(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>", fields["Maintainer"])
    depends = fields["Depends"].split(", ")
    assert depends[0] == f"postgresql-{MAJOR}"
    assert any(one.split()[0] == "libc6" for one in depends)
    assert fields["Description"].count("\n") >= 2
    assert all(len(line) <= 80 for line in fields["Description"].splitlines())


def test_contents_belong_to_root_and_are_nobody_elses_to_write(package, tmp_path):
    archive = tmp_path / "package.tar"
    with open(archive, "wb") as output:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=output)
    with tarfile.open(archive) as members:
        found = {member.name.removeprefix("./"): member for member in members}
    assert all((member.uid, member.gid) == (0, 0) for member in found.values())
    assert {member.mode for member in found.values() if member.isdir()} == {0o755}
    files = {name: member for name, member in found.items() if not member.isdir()}
    assert all(member.isfile() and member.mode == 0o644 for member in files.values())
    sql = {f"{EXTENSION}--{version()}.sql"}
    sql |= {script.name for script in REPOSITORY.glob(f"sql/{EXTENSION}--*.sql")}
    assert len(sql) > 1
    extension = {f"usr/share/postgresql/{MAJOR}/extension/{name}" for name in sql}
    extension.add(f"usr/share/postgresql/{MAJOR}/extension/{EXTENSION}.control")
    documents = {f"{DOCUMENTS}/{name}" for name in ("README.md", "changelog.gz", "copyright")}
    assert files.keys() == extension | documents | {LIBRARY}


def test_documents_and_checksums(unpacked):
    documents = unpacked / DOCUMENTS
    changes = gzip.decompress((documents / "changelog.gz").read_bytes())
    assert changes == (REPOSITORY / "CHANGELOG.md").read_bytes()
    rights = (documents / "copyright").read_text()
    assert "License: Apache-2.0" in rights
    # The crates that the library is linked with, none of them with a path of this machine.
    assert re.search(r"^ pgrx v\S+: MIT$", rights, re.MULTILINE)
    assert str(REPOSITORY) not in rights
    sums = dict(
        reversed(line.split("  ", 1))
        for line in (unpacked / "DEBIAN/md5sums").read_text().splitlines()
    )
    files = {str(f.relative_to(unpacked)) for f in (unpacked / "usr").rglob("*") if f.is_file()}
    assert sums.keys() == files
    for name, expected in sums.items():
        assert hashlib.md5((unpacked / name).read_bytes()).hexdigest() == expected, name


@pytest.fixture
def server(postgres, unpacked) -> Iterator[Cluster]:
    """A server whose PostgreSQL has the package's files and no others of the extension."""
    # Named like a cluster's directory, so that a later run removes it if this one is killed.
    place = private_directory() / f"cluster-{os.getpid()}-package"
    copy = postgres.clone(place)
    copy.uninstall(EXTENSION)
    cluster = Cluster(copy)
    try:
        yield cluster.start()
    finally:
        cluster.stop()
        shutil.rmtree(place)


def test_it_works_when_unpacked(server, unpacked, org: Organization):
    with server.connect() as connection:
        # Proves that what follows uses the package.
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="is not available"):
            connection.execute(f"CREATE EXTENSION {EXTENSION}")
        server.postgres.unpack(unpacked)
        connection.execute(f"CREATE EXTENSION {EXTENSION}")
        connection.execute(
            f"CREATE SERVER ado FOREIGN DATA WRAPPER {EXTENSION} OPTIONS (base_url '{org.url}')"
        )
        connection.execute(
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER ado OPTIONS (pat '{org.pat}')"
        )
        connection.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO public")
        builds = connection.execute("SELECT id FROM builds ORDER BY id").fetchall()
    assert builds == keys_held(org, "builds")
    assert not server.crashes()
