"""Secrets in Vault, service principals, and connections that end with their credential."""

import base64

import psycopg
import pytest

from truth import assert_complete, keys_read

TENANT, CLIENT, SECRET = "contoso.example", "11111111-2222-4333-8444-555555555555", "client~secret/+1"
ENTRA = {"tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET}


def remap(db, options: str, user: str = "postgres") -> None:
    db.execute(f"DROP USER MAPPING IF EXISTS FOR {user} SERVER ado")
    db.execute(f"CREATE USER MAPPING FOR {user} SERVER ado OPTIONS ({options})")


def principal(**changes: str) -> str:
    options = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET, **changes}
    return ", ".join(f"{name} '{value}'" for name, value in options.items() if value)


def fails(db, query: str = "SELECT count(*) FROM ado.builds") -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        db.execute(query)
    return caught.value


def text(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint)
    return "\n".join(part or "" for part in parts)


# --- Supabase Vault. Its extension is not packaged for Debian: a view of the same shape stands in.


@pytest.fixture
def vault(db):
    db.execute(
        "CREATE SCHEMA vault;"
        "CREATE TABLE vault.secrets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, secret text);"
        "CREATE VIEW vault.decrypted_secrets AS"
        " SELECT id, name, secret AS decrypted_secret FROM vault.secrets"
    )
    add = "INSERT INTO vault.secrets (name, secret) VALUES (%s, %s) RETURNING id"
    return lambda name, secret: str(db.value(add, [name, secret]))


def test_a_token_comes_from_the_vault_by_name_or_id(db, vault):
    identifier = vault("the token", db.org.pat)
    for reference in ("the token", identifier, identifier.upper()):
        remap(db, f"pat_secret '{reference}'")
        assert_complete(db, "builds")


def test_a_name_goes_before_an_id(db, vault):
    identifier = vault("other", "wrong")
    vault(identifier, db.org.pat)
    remap(db, f"pat_secret '{identifier}'")
    assert_complete(db, "builds")


@pytest.mark.parametrize(
    "secret, reason", [(None, "there is no such secret"), (" ", "it is empty")]
)
def test_a_secret_that_is_not_there_is_an_error_that_says_so(db, vault, secret, reason):
    if secret:
        vault("mine", secret)
    remap(db, "pat_secret 'mine'")
    error = fails(db)
    assert error.sqlstate == "28000"
    assert text(error).startswith(f'could not read the secret "mine" of option "pat_secret": {reason}')
    assert not db.org.requests()


def test_without_vault_the_error_names_its_extension(db):
    remap(db, "pat_secret 'mine'")
    error = fails(db)
    assert error.sqlstate == "28000" and "supabase_vault is not installed" in text(error)


def test_a_new_secret_is_used_at_once(db, vault):
    vault("mine", "hunter2-is-wrong")
    remap(db, "pat_secret 'mine'")
    assert fails(db).sqlstate == "28000"
    db.execute("UPDATE vault.secrets SET secret = %s", [db.org.pat])
    assert_complete(db, "builds")


def test_the_vault_is_read_as_the_role_of_the_mapping(db, vault):
    """Through a view of the mapping's owner others read the rows, but never the secret."""
    vault("mine", db.org.pat)
    owner, reader = db.role(), db.role()
    db.execute(
        f"GRANT USAGE ON FOREIGN SERVER ado TO {owner}; GRANT USAGE ON SCHEMA ado, vault TO {owner};"
        f"GRANT SELECT ON ado.builds, vault.decrypted_secrets TO {owner};"
        f"GRANT CREATE ON SCHEMA public TO {owner}; GRANT USAGE ON SCHEMA ado TO {reader}"
    )
    remap(db, "pat_secret 'mine'", owner)
    with db.connect(owner) as session:
        session.execute("CREATE VIEW public.shown AS SELECT id FROM ado.builds")
        session.execute(f"GRANT SELECT ON public.shown TO {reader}")
    with db.connect(reader) as session:
        count = session.execute("SELECT count(*) FROM public.shown").fetchone()[0]
        assert count == len(db.org.dump("builds"))
        assert session.execute("SELECT current_user").fetchone()[0] == reader
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT * FROM vault.decrypted_secrets")


def test_a_mapping_without_the_right_to_the_vault_is_an_error(db, vault):
    vault("mine", db.org.pat)
    role = db.role()
    db.execute(f"GRANT USAGE ON SCHEMA ado TO {role}; GRANT SELECT ON ado.builds TO {role}")
    remap(db, "pat_secret 'mine'", role)
    with db.connect(role) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT count(*) FROM ado.builds")
        assert session.execute("SELECT current_user").fetchone()[0] == role


def test_the_secret_of_a_public_mapping_is_read_as_the_owner_of_the_server(db, vault):
    vault("mine", db.org.pat)
    role = db.role()
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    db.execute(f"GRANT USAGE ON SCHEMA ado TO {role}; GRANT SELECT ON ado.builds TO {role}")
    remap(db, "pat_secret 'mine'", "PUBLIC")
    with db.connect(role) as session:
        count = session.execute("SELECT count(*) FROM ado.builds").fetchone()[0]
    assert count == len(db.org.dump("builds"))


def test_the_readers_search_path_does_not_choose_what_is_read(db, vault):
    vault("mine", db.org.pat)
    remap(db, "pat_secret 'mine'")
    db.execute(
        "CREATE FUNCTION public.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR public.= (leftarg = text, rightarg = text, function = public.never);"
        "SET search_path = public, pg_catalog"
    )
    assert_complete(db, "builds")


# --- Microsoft Entra ID


@pytest.fixture
def entra(new_org, new_db):
    """A database whose mapping is a service principal. `entra(token_seconds=1)`."""

    def make(options: str = principal(), **changes):
        org = new_org(entra={**ENTRA, **changes})
        db = new_db(org, login_url=org.simulator.url)
        remap(db, options)
        return db

    return make


def tokens(db) -> list[dict]:
    return db.org.requests("token")


def test_a_service_principal_signs_in_once_for_many_scans(entra):
    db = entra()
    for table in ("builds", "projects", "work_item_revisions"):
        assert_complete(db, table)
    (asked,) = tokens(db)
    assert asked["method"] == "POST" and "grant_type=client_credentials" in asked["body"]
    assert "499b84ac-1321-427f-aa17-267ca6975798/.default" in asked["body"]
    read = [r for r in db.org.requests() if r["endpoint"] != "token"]
    assert {r["headers"]["authorization"] for r in read} == {"Bearer valid"}
    assert "authorization" not in asked["headers"] or "valid" not in asked["headers"]["authorization"]


def test_the_client_secret_may_be_in_the_vault(entra):
    db = entra()
    db.execute(
        "CREATE SCHEMA vault; CREATE TABLE vault.decrypted_secrets (id uuid, name text, decrypted_secret text)"
    )
    db.execute("INSERT INTO vault.decrypted_secrets VALUES (gen_random_uuid(), 'app', %s)", [SECRET])
    remap(db, principal(client_secret="", client_secret_secret="app"))
    assert_complete(db, "builds")


def test_a_token_is_renewed_before_it_ends(entra):
    db = entra(token_seconds=2)
    for _ in range(3):
        assert_complete(db, "builds")
        db.execute("SELECT pg_sleep(1.1)")
    assert len(tokens(db)) == 3
    refused = [r for r in db.org.requests("builds") if r["status"] != 200]
    assert not refused


def test_a_token_that_is_refused_is_renewed_once(entra):
    db = entra()
    assert_complete(db, "builds")
    # Ends all tokens that were issued.
    db.org.patch(entra=ENTRA)
    assert_complete(db, "builds")
    assert len(tokens(db)) == 2
    db.org.simulator.clear()
    db.org.faults({"kind": "auth_401", "endpoint": "builds"})
    error = fails(db)
    assert error.sqlstate == "28000"
    assert "the token of the service principal is invalid or expired" in text(error)
    assert 1 <= len(tokens(db)) <= 8, "each request that is refused renews no more than once"


def test_an_expired_bearer_that_brings_the_sign_in_page_is_renewed_too(entra):
    db = entra()
    db.org.faults({"kind": "auth_203", "endpoint": "builds", "times": 1})
    assert_complete(db, "builds")
    assert len(tokens(db)) == 2


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"client_secret": "hunter2-is-wrong"}, "AADSTS7000215"),
        ({"client_id": "99999999-2222-4333-8444-555555555555"}, "AADSTS700016"),
    ],
)
def test_a_refused_sign_in_is_an_error_with_the_directorys_words(entra, changes, code):
    db = entra(principal(**changes))
    error = fails(db)
    assert error.sqlstate == "28000"
    assert "the service principal could not sign in" in text(error) and code in text(error)
    assert "Trace ID" not in text(error) and "hunter2" not in text(error)
    assert len(tokens(db)) == 1, "asking again is no use"


def test_a_passing_fault_of_the_login_host_costs_no_row(entra):
    db = entra()
    for kind in ("service_503", "throttle_429_html", "reset_before_headers", "json_500"):
        db.org.patch(entra=ENTRA)
        db.org.faults({"kind": kind, "endpoint": "token", "times": 1})
        assert_complete(db, "builds")


def test_only_a_superuser_names_another_login_host(entra):
    db = entra()
    role = db.role()
    db.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER azure_devops_fdw TO {role}")
    make = "CREATE SERVER own FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (organization 'o', login_url {})"
    with db.connect(role) as session:
        with pytest.raises(psycopg.Error) as caught:
            session.execute(make.format("'https://login.example.com'"))
        assert caught.value.sqlstate == "42501" and "login_url" in str(caught.value)
        session.execute(make.format("'https://login.microsoftonline.us'"))


# --- Connections and credentials


def connections(db) -> set[int]:
    return {request["connection"] for request in db.org.requests()}


def test_connections_stay_alive_across_scans(new_org, new_db):
    db = new_db(new_org(), max_concurrency=1)
    for _ in range(5):
        keys_read(db, "builds")
    assert len(connections(db)) == 1


@pytest.mark.parametrize(
    "change",
    [
        "ALTER SERVER ado OPTIONS (ADD max_retries '3')",
        "ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat '{pat} ')",
        "CREATE USER MAPPING FOR PUBLIC SERVER ado OPTIONS (pat 'x')",
    ],
)
def test_a_change_of_server_or_mapping_drops_the_connections(new_org, new_db, change):
    db = new_db(new_org(), max_concurrency=1)
    keys_read(db, "builds")
    before = connections(db)
    with db.connect() as other:
        other.execute(change.format(pat=db.org.pat))
    db.org.simulator.clear()
    keys_read(db, "builds")
    assert not connections(db) & before


def test_a_role_without_a_mapping_never_borrows_a_connection(db):
    keys_read(db, "builds")
    role = db.role()
    db.execute(f"GRANT USAGE ON SCHEMA ado TO {role}; GRANT SELECT ON ado.builds TO {role}")
    db.org.simulator.clear()
    db.execute(f"SET ROLE {role}")
    error = fails(db)
    assert error.sqlstate == "28000" and f'no credential for user "{role}"' in text(error)
    assert not db.org.requests()


def test_waits_outlive_the_client_that_was_told(new_org, new_db):
    """The service throttles a credential, not a connection."""
    org = new_org(projects=1)
    db = new_db(org)
    org.faults({"kind": "retry_after_200", "endpoint": "revisions", "times": 1, "retry_after": 2})
    keys_read(db, "work_item_revisions")
    db.server_options(page_size=9)
    keys_read(db, "repositories")
    first, *later = org.requests()
    assert min(r["started_ms"] for r in later) >= first["finished_ms"] + 2000 - 50


# --- Secrets stay secret


def test_no_secret_is_shown_at_any_level(entra, cluster):
    db = entra()
    before = cluster.log_size()
    db.execute("SET client_min_messages = debug5; SET log_min_messages = debug5;"
               "SET azure_devops_fdw.trace_requests = on")
    # What is logged of the statement itself is the client's own.
    db.take_notices()
    assert_complete(db, "builds")
    db.org.faults({"kind": "status", "status": 400, "endpoint": "builds", "body": {"message": SECRET}})
    shown = [text(fails(db))]
    db.org.faults()
    shown += db.column("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM ado.builds")
    shown += db.take_notices()
    shown.append(cluster.log_text(before))
    secrets = [SECRET, "simulated-bearer"]
    for secret in secrets + [base64.b64encode(s.encode()).decode().rstrip("=") for s in secrets]:
        for piece in shown:
            assert secret not in piece
