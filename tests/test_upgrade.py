"""An installation of an earlier version, updated, is what a new installation is."""

import shutil
from collections.abc import Iterator

import pytest

from catalogs import contents, differences
from harness.build import EXTENSION, REPOSITORY
from harness.database import Database
from harness.simulator import Organization
from truth import assert_complete

# What the extension's SQL was when a version was released.
RELEASED = {
    script.stem.split("--")[1]: script
    for script in sorted(REPOSITORY.glob(f"tests/released/{EXTENSION}--*.sql"))
}
HINT = (
    "ALTER EXTENSION UPDATE from {} leads to something else than CREATE EXTENSION:\n{}\n"
    "The extension's SQL was changed, and its upgrade script was not. CONTRIBUTING.md, section "
    '"Changing the SQL", tells what to do; in most cases `make upgrade-script`.'
)


@pytest.fixture(scope="module")
def released(postgres) -> Iterator[None]:
    """The private PostgreSQL can install each released version."""
    made = []
    for script in RELEASED.values():
        copy = postgres.share / "extension" / script.name
        if not copy.exists():
            shutil.copyfile(script, copy)
            copy.chmod(0o644)
            made.append(copy)
    yield
    for copy in made:
        copy.unlink()


@pytest.fixture
def install(new_db, released):
    """Makes a database with the extension in a version."""

    def make(version: str) -> Database:
        db = new_db()
        db.execute(f"DROP EXTENSION {EXTENSION}; DROP SCHEMA azure_devops")
        db.execute(f"CREATE EXTENSION {EXTENSION} VERSION '{version}'")
        assert _version(db) == version
        return db

    return make


def _version(db: Database) -> str:
    return db.value("SELECT extversion FROM pg_extension WHERE extname = %s", [EXTENSION])


def _update(db: Database) -> None:
    db.execute(f"ALTER EXTENSION {EXTENSION} UPDATE")


def _default_version(db: Database) -> str:
    query = "SELECT default_version FROM pg_available_extensions WHERE name = %s"
    return db.value(query, [EXTENSION])


def test_the_version_is_newer_than_the_released_ones(db):
    assert "0.1.0" in RELEASED
    advice = "raise the version in Cargo.toml; see CONTRIBUTING.md"
    assert _default_version(db) not in RELEASED, advice


@pytest.mark.parametrize("version", RELEASED)
def test_updated_is_the_same_as_newly_installed(install, new_db, version):
    db = install(version)
    _update(db)
    assert _version(db) == _default_version(db)
    found = differences(contents(db), contents(new_db()), "the updated one", "the new one")
    assert not found, HINT.format(version, "\n".join(found))


@pytest.mark.parametrize(
    "change, seen",
    [
        ("ALTER FUNCTION azure_devops.name_of(regclass) VOLATILE", "provolatile differs"),
        ("ALTER FUNCTION azure_devops.name_of(regclass) RESET search_path", "proconfig differs"),
        ("REVOKE EXECUTE ON FUNCTION azure_devops.tables() FROM PUBLIC", "privileges differs"),
        ("GRANT SELECT ON azure_devops.bookmarks TO pg_monitor", "privileges differs"),
        ("COMMENT ON FUNCTION azure_devops.tables() IS 'other'", "remark differs"),
        (
            "CREATE OR REPLACE FUNCTION azure_devops.name_of(relation regclass) RETURNS text "
            "LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT ''a'''",
            "prosrc differs",
        ),
        ("ALTER TABLE azure_devops.bookmarks ADD COLUMN more text", "only in"),
        ("ALTER TABLE azure_devops.bookmarks ALTER watermark SET NOT NULL", "attnotnull differs"),
        ("ALTER TABLE azure_devops.bookmarks DROP CONSTRAINT bookmarks_pkey", "only in"),
        ("CREATE INDEX ON azure_devops.bookmarks (source)", "only in"),
        ("COMMENT ON COLUMN azure_devops.bookmarks.target IS 'other'", "remark differs"),
        ("ALTER EVENT TRIGGER azure_devops_comment_on_imported DISABLE", "evtenabled differs"),
        (f"ALTER FOREIGN DATA WRAPPER {EXTENSION} NO VALIDATOR", "fdwvalidator differs"),
        (
            f"ALTER EXTENSION {EXTENSION} DROP FUNCTION azure_devops.tables()",
            "member azure_devops.tables(): only in",
        ),
        (
            "REVOKE USAGE ON SCHEMA azure_devops FROM PUBLIC",
            "schema azure_devops: privileges differs",
        ),
        (
            "UPDATE pg_extension SET extconfig = NULL, extcondition = NULL "
            f"WHERE extname = '{EXTENSION}'",
            "dumped_tables differs",
        ),
    ],
)
def test_no_difference_stays_unnoticed(new_db, change, seen):
    old, new = new_db(), new_db()
    before = contents(old)
    assert not differences(before, contents(new), "one", "the other")
    new.execute(change)
    assert any(seen in line for line in differences(before, contents(new), "one", "the other"))


def test_what_was_made_before_the_update_works_after_it(install, org: Organization):
    db = install("0.1.0")
    db.attach(org)
    query = "SELECT id, status, finish_time FROM ado.builds ORDER BY id"
    db.execute("CREATE VIEW failed AS SELECT id FROM ado.builds WHERE result = 'failed'")
    db.execute(f"PREPARE builds AS {query}")
    before, failed = db.rows(query), db.rows("SELECT id FROM failed ORDER BY id")
    assert_complete(db, "builds")
    assert failed
    _update(db)
    assert db.rows("EXECUTE builds") == before
    assert db.rows("SELECT id FROM failed ORDER BY id") == failed
    # What 0.2.0 brought, on tables of 0.1.0.
    db.execute("SELECT azure_devops.create_materialized_view('public.copy', 'ado.builds')")
    db.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY public.copy")
    assert db.rows("SELECT id, status, finish_time FROM public.copy ORDER BY id") == before
    db.execute("CALL azure_devops.sync('ado.work_item_revisions', 'public.revisions')")
    revisions = db.value("SELECT count(*) FROM ado.work_item_revisions")
    assert revisions and db.value("SELECT count(*) FROM public.revisions") == revisions
    # And what 0.1.0 could do already.
    db.execute("CREATE SCHEMA again")
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO again")
    assert db.value("SELECT obj_description('again.builds'::regclass)")
