"""The metadata for PGXN, and that every place that names the version names the same one."""

import json
import re

from harness.build import EXTENSION, REPOSITORY

META = json.loads((REPOSITORY / "META.json").read_text())
# https://pgxn.org/spec/
REQUIRED = {"name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"}
OPTIONAL = {
    "description",
    "generated_by",
    "no_index",
    "prereqs",
    "release_status",
    "resources",
    "tags",
}


def read(name: str) -> str:
    return (REPOSITORY / name).read_text()


def cargo(key: str) -> str:
    return re.search(rf'^{key} = "(.*)"$', read("Cargo.toml"), re.MULTILINE)[1]


def strings(value: object) -> list[str]:
    """All strings in a structure."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value]


def test_pgxn_metadata_has_the_keys_of_the_specification():
    assert REQUIRED <= META.keys()
    own = {key for key in META if not key.lower().startswith("x_")}
    assert own <= REQUIRED | OPTIONAL
    assert all(isinstance(text, str) and text.strip() for text in strings(META))
    assert META["meta-spec"]["version"] == "1.0.0"
    # Names may hold neither spaces nor slashes, tags no slashes.
    assert re.fullmatch(r"[^\s/\\]{2,}", META["name"])
    assert all(re.fullmatch(r"[^/\\]{2,255}", tag) for tag in META["tags"])


def test_pgxn_metadata_describes_this_extension():
    assert META["name"] == EXTENSION
    assert list(META["provides"]) == [EXTENSION]
    provided = META["provides"][EXTENSION]
    assert {"file", "version"} <= provided.keys() <= {"abstract", "docfile", "file", "version"}
    for key in ("file", "docfile"):
        assert (REPOSITORY / provided[key]).is_file()
    assert cargo("license") == "Apache-2.0" and META["license"] == "apache_2_0"
    assert META["resources"]["repository"]["web"] == cargo("repository")
    comment = re.search(r"^comment = '(.*)'$", read(f"{EXTENSION}.control"), re.MULTILINE)[1]
    assert META["abstract"] == provided["abstract"] == comment


def test_pgxn_metadata_asks_for_the_oldest_postgresql_that_can_be_built_for():
    oldest = min(map(int, re.findall(r"^pg(\d+) = ", read("Cargo.toml"), re.MULTILINE)))
    requirement = META["prereqs"]["runtime"]["requires"]["PostgreSQL"]
    assert requirement == f"{oldest}.0.0"


def test_the_version_is_the_same_everywhere(db):
    version = cargo("version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    lock = re.search(rf'name = "{EXTENSION}"\nversion = "(.*)"', read("Cargo.lock"))[1]
    changes = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[1]
    query = "SELECT default_version FROM pg_available_extensions WHERE name = %s"
    found = {
        "META.json": META["version"],
        "META.json, provides": META["provides"][EXTENSION]["version"],
        "Cargo.lock": lock,
        "CHANGELOG.md": changes,
        f"{EXTENSION}.control": db.value(query, [EXTENSION]),
        "src/fdw/shell.rs": db.value("SELECT version FROM azure_devops.azure_devops_fdw_meta()"),
    }
    assert found == dict.fromkeys(found, version)
