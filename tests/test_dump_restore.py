"""pg_dump and pg_restore of views and tables that refresh incrementally."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.build import REPOSITORY
from harness.database import Database
from truth import same

INCREMENTAL = ["builds", "pull_requests", "work_item_revisions"]
VIEWS = ["projects", *INCREMENTAL]
README = (REPOSITORY / "README.md").read_text()
(SHOWN,) = re.findall(r"^```sh\n(pg_dump .*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def restored(new_db) -> Database:
    """An empty database to restore into; made first, since it has to go before the dumped one's role."""
    empty = new_db()
    empty.execute("DROP EXTENSION azure_devops_fdw CASCADE; DROP SCHEMA azure_devops")
    return empty


@pytest.fixture
def db(restored, new_org, new_db) -> Database:
    """Views and tables of every kind, and a view whose owner is no superuser."""
    db = new_db(new_org(projects=3, builds_per_project=30))
    restored.org = db.org
    db.execute("CREATE SCHEMA analytics; CREATE SCHEMA synced")
    for table in VIEWS:
        create_view(db, f"analytics.{table}", table)
    for table in INCREMENTAL:
        db.execute(f"CALL azure_devops.sync('ado.{table}', 'synced.{table}')")
    owner = db.role()
    db.map_user("ado", db.org.pat, owner)
    db.execute(f'GRANT USAGE ON SCHEMA ado TO "{owner}"; GRANT SELECT ON ado.builds TO "{owner}"')
    db.execute(f'CREATE SCHEMA own AUTHORIZATION "{owner}"')
    create_view(db.connect(owner), "own.builds", "builds")
    return db


def create_view(session, view: str, table: str) -> None:
    session.execute("SELECT azure_devops.create_materialized_view(%s, %s)", [view, f"ado.{table}"])


def dump(db: Database, directory: Path, *options: str) -> Path:
    """A dump in the custom format; making one sends nothing."""
    file = directory / "dump"
    db.org.simulator.clear()
    run(db, "pg_dump", "--format=custom", f"--file={file}", *options, db.name)
    assert db.org.requests() == []
    return file


def run(db: Database, program: str, *arguments: str, check: bool = True):
    postgres = db.cluster.postgres
    command = [postgres.program(program), *map(str, arguments)]
    environment = db.cluster.environment(db.name)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def change(db: Database) -> None:
    """Something of every kind."""
    org = db.org
    running = [b["id"] for b in org.dump("builds") if b["status"] != "completed"]
    active = [p["pullRequestId"] for p in org.dump("pull_requests") if p["status"] == "active"]
    items = sorted({r["id"] for r in org.dump("revisions")})
    org.mutate(
        {"op": "finish_build", "id": running[0]},
        {"op": "delete_build", "id": running[1]},
        {"op": "close_pull_request", "id": active[0]},
        {"op": "put_revision", "id": items[0], "fields": {"System.Title": "Changed"}},
    )


def bookmarks(db: Database) -> list[tuple]:
    return db.rows("SELECT * FROM azure_devops.bookmarks ORDER BY target")


def populated(db: Database) -> list[bool]:
    return db.column("SELECT DISTINCT ispopulated FROM pg_matviews")


def indexes(db: Database) -> list[tuple]:
    return db.rows(
        "SELECT schemaname, tablename, indexdef FROM pg_indexes"
        " WHERE schemaname IN ('analytics', 'synced', 'own') ORDER BY 1, 2, 3"
    )


def refresh_and_sync_all(db: Database) -> None:
    for table in VIEWS:
        db.execute(f"REFRESH MATERIALIZED VIEW analytics.{table}")
        same(db, table)
    db.execute("REFRESH MATERIALIZED VIEW own.builds")
    same(db, "builds", "own.builds")
    for table in INCREMENTAL:
        db.execute(f"CALL azure_devops.sync('ado.{table}', 'synced.{table}')")
        same(db, table, f"synced.{table}")


def token_sent(db: Database) -> bool:
    return "continuationToken" in dict(db.org.requests("revisions")[0]["query"])


def test_a_plain_restore_reads_the_views_anew_from_the_service(db, restored, tmp_path):
    file = dump(db, tmp_path)
    change(db)
    run(restored, "pg_restore", f"--dbname={restored.name}", file)
    assert {r["endpoint"] for r in db.org.requests()} == {"projects", "builds", "pull_requests", "revisions"}
    assert not token_sent(db)
    for table in VIEWS:
        same(restored, table)
    assert indexes(restored) == indexes(db)
    refresh_and_sync_all(restored)


def test_a_plain_restore_while_the_service_fails_leaves_the_views_empty(db, restored, tmp_path):
    file = dump(db, tmp_path)
    db.org.faults({"kind": "auth_401"})
    done = run(restored, "pg_restore", f"--dbname={restored.name}", file, check=False)
    assert done.returncode == 1
    assert f"errors ignored on restore: {len(VIEWS) + 1}" in done.stderr
    assert "REFRESH MATERIALIZED VIEW analytics.builds" in done.stderr
    assert populated(restored) == [False]
    assert bookmarks(restored) == bookmarks(db)
    assert indexes(restored) == indexes(db)
    db.org.faults()
    refresh_and_sync_all(restored)


def test_the_restore_that_the_readme_shows_sends_no_request(db, restored, tmp_path):
    names = {"product.": f"{tmp_path}/product.", "--dbname=restored": f"--dbname={restored.name}"}
    script = SHOWN.replace(" product\n", f" {db.name}\n")
    for shown, real in names.items():
        assert shown in script
        script = script.replace(shown, real)
    environment = db.cluster.environment(db.name)
    environment["PATH"] = f"{db.cluster.postgres.bin}:{os.environ['PATH']}"
    db.org.simulator.clear()
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, check=True)
    assert db.org.requests() == []
    assert populated(restored) == [False]
    assert bookmarks(restored) == bookmarks(db)
    assert indexes(restored) == indexes(db)
    for table in INCREMENTAL:
        query = f"SELECT count(*) FROM synced.{table}"
        assert restored.value(query) == db.value(query) > 0

    change(db)
    # Tables go on where the dump was made; views begin anew.
    restored.execute("CALL azure_devops.sync('ado.work_item_revisions', 'synced.work_item_revisions')")
    assert token_sent(db)
    db.org.simulator.clear()
    restored.execute("REFRESH MATERIALIZED VIEW analytics.work_item_revisions")
    assert not token_sent(db)
    db.org.simulator.clear()
    restored.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.work_item_revisions")
    assert token_sent(db)
    refresh_and_sync_all(restored)


def test_tables_that_were_restored_without_their_rows_are_read_anew(db, restored, tmp_path):
    file = dump(db, tmp_path, "--exclude-table-data=synced.*", "--exclude-table-data=analytics.*")
    run(restored, "pg_restore", f"--dbname={restored.name}", file)
    assert restored.value("SELECT count(*) FROM synced.builds") == 0
    refresh_and_sync_all(restored)
