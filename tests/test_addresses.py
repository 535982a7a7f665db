"""Azure DevOps Server behind TLS, below folders and in older versions; proxies."""

import contextlib
import ssl

import psycopg
import pytest
import trustme

from harness.cluster import Cluster
from harness.front import Front
from truth import assert_complete

FOLDER = "/tfs/deep folder".replace(" ", "%20")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(org, authority):
    """Makes a front that speaks TLS with a certificate for the given name."""
    with contextlib.ExitStack() as stack:

        def make(name: str = "127.0.0.1") -> Front:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(context)
            return stack.enter_context(Front(org.simulator.url, context=context).running())

        yield make




def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def fails(db) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT count(*) FROM ado.builds")
    return caught.value


# --- TLS


def test_a_private_authority_is_trusted_when_its_certificate_is_given(db, tls, authority, tmp_path):
    front = tls()
    db.server_options(base_url=f"{front.url}/{db.org.name}")
    error = fails(db)
    assert error.sqlstate == "HV00N"
    assert "no trusted connection" in str(error) and "ca_certificate" in error.diag.message_hint
    assert not front.lines, "a server that is not trusted sees no request"
    db.server_options(ca_certificate=pem(authority))
    assert_complete(db, "builds")
    # The path of a file of the server, for a superuser; more than one certificate may be in it.
    file = tmp_path / "authority.pem"
    file.write_text(pem(trustme.CA()) + pem(authority))
    for directory in (file, *file.parents[:3]):
        directory.chmod(0o755)
    db.server_options(ca_certificate=str(file))
    assert_complete(db, "builds")


def test_another_authority_is_not_enough(db, tls):
    front = tls()
    db.server_options(base_url=f"{front.url}/{db.org.name}", ca_certificate=pem(trustme.CA()))
    error = fails(db)
    assert error.sqlstate == "HV00N" and "no trusted connection" in str(error)


def test_a_certificate_for_another_name_is_not_trusted(db, tls, authority):
    front = tls("tfs.example.com")
    db.server_options(base_url=f"{front.url}/{db.org.name}", ca_certificate=pem(authority))
    assert "no trusted connection" in str(fails(db))
    assert not front.lines


def test_a_certificate_that_is_none_is_a_readable_error(db):
    text = "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----"
    db.server_options(ca_certificate=text)
    assert fails(db).sqlstate == "HV00N"
    db.server_options(ca_certificate="/nowhere/at/all.pem")
    assert "ca_certificate" in str(fails(db))


def test_a_port_that_speaks_no_tls_is_told_at_once(db):
    db.server_options(base_url=db.org.url.replace("http://", "https://"))
    error = fails(db)
    assert error.sqlstate == "HV00N" and "no trusted connection" in str(error)


# --- Folders, versions, proxies


def test_a_collection_below_folders(db):
    with Front(db.org.simulator.url, prefix=FOLDER).running() as front:
        db.server_options(base_url=f"{front.url}{FOLDER}/{db.org.name}/")
        for table in ("builds", "pull_requests", "work_item_revisions"):
            assert_complete(db, table)
        assert all(line.split()[1].startswith(FOLDER) for line in front.lines)


@pytest.mark.parametrize("version, sent", [("6.0", False), ("7.0", False), ("7.1", True)])
def test_time_filters_of_pull_requests_go_to_versions_that_have_them(db, version, sent):
    db.server_options(api_version=version)
    times = sorted(e["creationDate"] for e in db.org.dump("pull_requests"))
    middle = times[len(times) // 2]
    found = db.column("SELECT pull_request_id FROM ado.pull_requests WHERE creation_date >= %s", [middle])
    expected = db.column(
        "SELECT pull_request_id FROM (SELECT * FROM ado.pull_requests) p"
        " WHERE p.creation_date + interval '0' >= %s", [middle]
    )
    assert sorted(found) == sorted(expected) and found
    names = {name for r in db.org.requests("pull_requests") for name, _ in r["query"]}
    assert ("searchCriteria.minTime" in names) == sent
    assert {r["query"][-1][1] for r in db.org.requests()} == {version}


def test_every_table_is_read_with_the_oldest_version(db):
    db.server_options(api_version="6.0")
    for table in ("projects", "repositories", "builds", "pull_requests", "work_item_revisions"):
        assert_complete(db, table)


@pytest.mark.parametrize(
    "version, hint", [("9.9", "Azure DevOps Server 2020"), ("7.2", "-preview")]
)
def test_a_version_that_the_service_does_not_have_is_told(db, version, hint):
    db.server_options(api_version=version, skip_inaccessible="true")
    error = fails(db)
    assert "HTTP status 400" in str(error) and hint in error.diag.message_hint
    assert "api_version" in error.diag.message_hint


def test_requests_go_through_the_proxy(db):
    with Front(db.org.simulator.url).running() as proxy:
        db.server_options(proxy=proxy.url)
        assert_complete(db, "builds")
        assert proxy.lines and all(f" {db.org.url}/" in line for line in proxy.lines)


def test_proxies_of_the_environment_are_used_only_when_asked(postgres, new_org, monkeypatch):
    from harness.database import Database, create_template

    org = new_org()
    with Front(org.simulator.url).running() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        cluster = Cluster(postgres).start()
        try:
            create_template(cluster)
            db = Database(cluster)
            db.attach(org)
            assert_complete(db, "builds")
            assert not proxy.lines
            db.server_options(proxy="environment")
            assert_complete(db, "builds")
            assert proxy.lines
            db.drop()
        finally:
            cluster.stop()
