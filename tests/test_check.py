"""azure_devops.check() tells what is wrong, and which table it concerns."""

import ssl

import psycopg
import pytest
import trustme

from harness.database import TABLES
from harness.front import Front
from harness.processes import free_port


def check(db) -> dict[str, dict]:
    rows = db.rows(
        "SELECT table_name, reachable, status, message, scope, hint FROM azure_devops.check('ado')"
    )
    names = ("reachable", "status", "message", "scope", "hint")
    return {table: dict(zip(names, rest)) for table, *rest in rows}


def all_are(db, status: str, *parts: str) -> None:
    rows = check(db)
    assert set(rows) == set(TABLES)
    for table, row in rows.items():
        assert (row["status"], row["reachable"]) == (status, False), (table, row)
        for part in parts:
            assert part in f"{row['message']} {row['hint']}", (table, row)


def test_all_is_well(db):
    rows = check(db)
    assert list(rows) == list(TABLES)
    assert {(row["reachable"], row["status"]) for row in rows.values()} == {(True, "ok")}
    assert rows["builds"]["scope"] == "vso.build"
    assert rows["work_item_revisions"]["scope"] == "vso.work"
    assert len(db.org.requests()) <= 12, "a look, not a read"
    assert max(r["rows"] for r in db.org.requests() if r["endpoint"] in ("builds", "revisions")) <= 2


def test_an_empty_organization_is_well_too(new_org, new_db):
    db = new_db(new_org(projects=1, builds_per_project=0, pull_requests_per_project=0, work_items=0))
    assert {row["status"] for row in check(db).values()} == {"ok"}


def test_a_wrong_organization(db):
    db.server_options(base_url=f"{db.org.simulator.url}/nobody-has-this")
    all_are(db, "wrong organization", "HTTP status 404")


@pytest.mark.parametrize("auth", ["real", "suppressed_401", "redirect_302", "html_203", "json_401"])
def test_a_bad_token(new_org, new_db, auth):
    db = new_db(new_org(traps={"auth": auth}))
    db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'hunter2')")
    all_are(db, "invalid token", "personal access token is invalid or expired")


def test_a_missing_scope(db):
    db.org.faults({"kind": "auth_401", "endpoint": "builds"})
    rows = check(db)
    assert (rows["builds"]["status"], rows["builds"]["reachable"]) == ("missing scope", False)
    assert "Build (Read)" in rows["builds"]["hint"] and "lacks a scope" in rows["builds"]["message"]
    assert {row["status"] for table, row in rows.items() if table != "builds"} == {"ok"}


def test_no_access(db):
    db.org.faults({"kind": "forbidden_403", "endpoint": "revisions"})
    row = check(db)["work_item_revisions"]
    assert row["status"] == "no access" and "TF400813" in row["message"]


def test_conditional_access(new_org, new_db):
    db = new_db(new_org(traps={"auth": "conditional_access"}))
    db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'hunter2')")
    all_are(db, "conditional access", "VS403463")


def test_a_wrong_version(db):
    db.server_options(api_version="9.9")
    all_are(db, "wrong api_version", "api_version")


def test_an_unreachable_host(db):
    db.server_options(base_url=f"http://127.0.0.1:{free_port()}/demo")
    all_are(db, "unreachable", "could not connect")


def test_tls_trouble(db):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Front(db.org.simulator.url, context=context).running() as front:
        db.server_options(base_url=f"{front.url}/{db.org.name}")
        all_are(db, "untrusted connection", "ca_certificate")


def test_no_credential(db):
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    all_are(db, "no credential", "CREATE USER MAPPING")


def test_a_service_that_is_down(db):
    db.org.faults({"kind": "service_503"})
    all_are(db, "service error", "HTTP status 503")


@pytest.mark.parametrize("server", ["nobody", "other", "ado"])
def test_only_servers_that_one_may_use(db, server):
    db.execute("CREATE FOREIGN DATA WRAPPER plain; CREATE SERVER other FOREIGN DATA WRAPPER plain")
    role = db.role()
    with db.connect(role) as session, pytest.raises(psycopg.errors.UndefinedObject) as caught:
        session.execute("SELECT * FROM azure_devops.check(%s)", [server])
    assert f'"{server}"' in str(caught.value)
    assert not db.org.requests()
