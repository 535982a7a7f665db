"""Who may set what, and whose credential a query uses."""

import base64

import psycopg
import pytest

LOOPBACK = "http://127.0.0.1:9/org"
RESTRICTED = {
    "base_url": [
        "https://tfs.example.com/tfs/DefaultCollection",
        LOOPBACK,
        "http://dev.azure.com/myorg",
        "https://dev.azure.com:444/myorg",
        "https://169.254.169.254/latest",
        "https://dev.azure.com.example.com/myorg",
        "https://evilvisualstudio.com/x",
    ],
    "proxy": ["http://proxy.example.com:3128"],
    "ca_certificate": ["/etc/passwd"],
}
ALLOWED = {
    "base_url": [
        "https://dev.azure.com/myorg",
        "https://myorg.visualstudio.com",
        "https://DEV.AZURE.COM/myorg",
    ],
    "ca_certificate": ["-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"],
    "page_size": ["100"],
}


@pytest.fixture
def role(db) -> str:
    """A role that may create servers and tables, and use the server of the superuser."""
    role = db.role()
    db.execute(f"GRANT USAGE ON FOREIGN DATA WRAPPER azure_devops_fdw TO {role}")
    db.execute(
        f"GRANT CREATE ON SCHEMA public TO {role}; GRANT USAGE ON FOREIGN SERVER ado TO {role}"
    )
    db.execute(
        f"GRANT USAGE ON SCHEMA ado TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA ado TO {role}"
    )
    return role


@pytest.fixture
def session(db, role) -> psycopg.Connection:
    return db.connect(role)


def one(session: psycopg.Connection, query: str):
    return session.execute(query).fetchone()[0]


def test_only_a_superuser_sets_options_that_reach_elsewhere(db, session, subtests):
    session.execute(
        "CREATE SERVER own FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (organization 'o')"
    )
    for name, values in RESTRICTED.items():
        for value in values:
            with subtests.test(name=name, value=value):
                for statement in (
                    "CREATE SERVER s FOREIGN DATA WRAPPER azure_devops_fdw"
                    f" OPTIONS (organization 'o', {name} '{value}')",
                    f"ALTER SERVER own OPTIONS (ADD {name} '{value}')",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
                        session.execute(statement)
                    assert name in caught.value.diag.message_primary
                    assert caught.value.diag.message_hint
    assert db.value("SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'own'") == [
        "organization=o"
    ]


def test_a_set_of_an_allowed_url_to_another_host_is_refused(session):
    session.execute(
        "CREATE SERVER own FOREIGN DATA WRAPPER azure_devops_fdw"
        " OPTIONS (base_url 'https://dev.azure.com/o')"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(f"ALTER SERVER own OPTIONS (SET base_url '{LOOPBACK}')")


def test_everybody_with_usage_may_use_the_services_own_hosts(session, subtests):
    for name, values in ALLOWED.items():
        for value in values:
            with subtests.test(name=name, value=value):
                more = "" if name == "base_url" else ", organization 'o'"
                session.execute(
                    "CREATE SERVER s FOREIGN DATA WRAPPER azure_devops_fdw"
                    f" OPTIONS ({name} '{value}'{more})"
                )
                session.execute("DROP SERVER s")


def test_without_usage_no_server_can_be_made(db):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.connect(db.role()).execute(
            "CREATE SERVER s FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (organization 'o')"
        )


def test_a_server_given_to_an_ordinary_role_is_not_used(db, role, session):
    before = len(db.rows("SELECT * FROM ado.projects"))
    assert before
    requests = len(db.org.requests())
    db.execute(f"ALTER SERVER ado OWNER TO {role}")
    for someone in (db.connection, session):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            someone.execute("SELECT * FROM ado.projects")
        assert "superuser" in caught.value.diag.message_primary
        assert caught.value.diag.message_hint
    assert len(db.org.requests()) == requests
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("ALTER SERVER ado OPTIONS (ADD page_size '10')")
    db.execute("ALTER SERVER ado OWNER TO postgres")
    assert len(db.rows("SELECT * FROM ado.projects")) == before


def test_a_token_in_the_server_gives_a_notice_and_works(db):
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    db.take_notices()
    db.server_options(pat=db.org.pat)
    (notice,) = db.take_notices()
    assert "every role" in notice
    assert db.org.pat not in notice
    assert len(db.rows("SELECT * FROM ado.projects")) == len(db.org.dump("projects"))


def test_a_user_mapping_overrides_the_servers_token(db):
    db.server_options(pat="a-wrong-token")
    assert db.rows("SELECT * FROM ado.projects")
    db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'another-wrong-token')")
    db.server_options(pat=db.org.pat)
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        db.execute("SELECT * FROM ado.projects")


def test_a_mapping_for_public_serves_everybody(db, session, role):
    db.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER ado OPTIONS (pat '{db.org.pat}')")
    assert one(session, "SELECT count(*) FROM ado.projects") == len(db.org.dump("projects"))
    db.map_user("ado", "a-wrong-token", role)
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        session.execute("SELECT * FROM ado.projects")


def test_a_role_without_credential_is_told_how_to_make_one(db, session, role):
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification) as caught:
        session.execute("SELECT * FROM ado.projects")
    error = caught.value
    assert error.sqlstate == "28000"
    assert role in error.diag.message_primary
    assert f"CREATE USER MAPPING FOR {role} SERVER ado" in error.diag.message_hint
    assert db.org.requests() == []


def test_the_hint_quotes_names_that_need_it(db, org):
    db.attach(org, server='My "server"', schema="other")
    db.execute('CREATE ROLE "Odd role" LOGIN SUPERUSER')
    try:
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification) as caught:
            db.connect("Odd role").execute("SELECT * FROM other.projects")
        expected = 'CREATE USER MAPPING FOR "Odd role" SERVER "My ""server"""'
        assert expected in caught.value.diag.message_hint
    finally:
        db.execute('DROP ROLE "Odd role"')


def test_a_role_may_map_itself(db, session, role):
    session.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER ado OPTIONS (pat '{db.org.pat}')")
    assert one(session, "SELECT count(*) FROM ado.projects") == len(db.org.dump("projects"))


def test_altering_a_mapping_takes_effect_in_the_same_session(db):
    for _ in range(3):
        assert db.rows("SELECT * FROM ado.projects")
        db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'a-wrong-token')")
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            db.execute("SELECT * FROM ado.projects")
        db.execute(f"ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat '{db.org.pat}')")
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        db.execute("SELECT * FROM ado.projects")


def test_altering_a_server_takes_effect_in_another_session(db, new_org):
    other = new_org(projects=1)
    session = db.connect()
    query = "SELECT count(*) FROM ado.projects"
    assert one(session, query) == len(db.org.dump("projects"))
    db.server_options(base_url=other.url)
    assert one(session, query) == len(other.dump("projects"))


def test_views_use_the_credential_of_their_owner(db, session):
    db.execute("CREATE VIEW v AS SELECT * FROM ado.projects; GRANT SELECT ON v TO PUBLIC")
    assert one(session, "SELECT count(*) FROM v") == len(db.org.dump("projects"))
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        session.execute("SELECT * FROM ado.projects")
    session.execute("PREPARE q AS SELECT count(*) FROM v")
    assert one(session, "EXECUTE q") == len(db.org.dump("projects"))


def test_a_view_of_a_role_without_credential_is_refused_for_everybody(db, session):
    session.execute("CREATE VIEW v AS SELECT * FROM ado.projects; GRANT SELECT ON v TO PUBLIC")
    for someone in (db.connection, session):
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            someone.execute("SELECT * FROM v")


def test_a_security_invoker_view_uses_the_readers_credential(db, session):
    if db.connection.info.server_version < 150000:
        pytest.skip("PostgreSQL has security_invoker from 15 on")
    db.execute("CREATE VIEW v WITH (security_invoker) AS SELECT * FROM ado.projects")
    db.execute("GRANT SELECT ON v TO PUBLIC")
    assert db.rows("SELECT * FROM v")
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        session.execute("SELECT * FROM v")


def test_functions_with_the_definers_rights_use_the_definers_credential(db, session):
    db.execute(
        "CREATE FUNCTION n() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, pg_temp"
        " AS 'BEGIN RETURN (SELECT count(*) FROM ado.projects); END'"
    )
    for _ in range(7):
        assert one(session, "SELECT n()") == len(db.org.dump("projects"))
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        session.execute("SELECT * FROM ado.projects")


def test_a_prepared_statement_follows_set_role(db, role):
    db.execute(
        "PREPARE q AS SELECT count(*) FROM ado.projects; SET plan_cache_mode = force_generic_plan"
    )
    assert db.value("EXECUTE q") == len(db.org.dump("projects"))
    db.execute(f"SET ROLE {role}")
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        db.execute("EXECUTE q")
    db.execute("RESET ROLE")
    assert db.value("EXECUTE q") == len(db.org.dump("projects"))


def test_materialized_views_use_the_credential_of_their_owner(db, role, session):
    db.map_user("ado", db.org.pat, role)
    session.execute("CREATE MATERIALIZED VIEW m AS SELECT * FROM ado.projects")
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    db.execute("REFRESH MATERIALIZED VIEW m")
    assert db.value("SELECT count(*) FROM m") == len(db.org.dump("projects"))
    session.execute("REFRESH MATERIALIZED VIEW m")
    db.execute(f"DROP USER MAPPING FOR {role} SERVER ado")
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        db.execute("REFRESH MATERIALIZED VIEW m")


def test_each_role_reads_with_its_own_token(db, role, session, new_org):
    db.map_user("ado", "a-wrong-token", role)
    for _ in range(3):
        assert db.rows("SELECT * FROM ado.projects")
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            session.execute("SELECT * FROM ado.projects")
        db.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
            db.execute("SELECT * FROM ado.projects")
        db.execute("RESET ROLE")


# Faults that end in an error or are told about, each in its own words.
FAULTS = [
    "auth_203",
    "auth_302",
    "auth_401",
    "forbidden_403",
    "not_found_404_html",
    "json_500",
    "html_502",
    "throttle_429",
    "service_503",
    "reset_before_headers",
    "reset_mid_body",
    "truncated_json",
    "truncated_body",
    "wrong_content_type",
    "value_missing",
    "value_not_array",
    "element_not_object",
]


SECRET = "s3cr3t-tok3n-of-the-t3st"
# As it is, and as a header carries it.
SHAPES = [
    SECRET,
    *(
        base64.b64encode(f"{user}:{SECRET}".encode()).decode().rstrip("=")
        for user in ("", "x", "pat")
    ),
]


@pytest.fixture
def secretive(new_db, new_org):
    """A database whose mapping holds SECRET."""
    return new_db(new_org(pat=SECRET), max_retries=0)


def all_of(diagnostic: psycopg.errors.Diagnostic) -> str:
    names = [
        name for name in dir(diagnostic) if name.startswith(("message", "context", "internal"))
    ]
    return "\n".join(str(getattr(diagnostic, name)) for name in names)


def assert_no_secret(text: str) -> None:
    found = [shape for shape in SHAPES if shape in text]
    assert found == []


def test_secrets_appear_in_no_message_and_in_no_log(secretive, cluster, subtests):
    db, org, heard = secretive, secretive.org, []
    session = db.connect()
    session.add_notice_handler(lambda diagnostic: heard.append(all_of(diagnostic)))
    before = cluster.log_size()
    session.execute(
        "SET log_min_messages = debug5; SET client_min_messages = debug5;"
        " SET azure_devops_fdw.trace_requests = on; SET debug_print_plan = on"
    )
    for query in (
        "SELECT * FROM ado.projects",
        "SELECT * FROM ado.builds LIMIT 3",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM ado.pull_requests",
    ):
        heard += map(str, session.execute(query).fetchall())
    for fault in FAULTS:
        org.faults({"kind": fault, "endpoint": "projects"})
        with subtests.test(fault):
            with pytest.raises(psycopg.Error) as caught:
                session.execute("SELECT * FROM ado.projects")
            heard += [str(caught.value), all_of(caught.value.diag)]
    session.close()
    said, log = "\n".join(heard), cluster.log_text(before)
    assert "/_apis/projects" in said
    assert "/_apis/projects" in log
    assert_no_secret(said)
    assert_no_secret(log)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
def test_a_service_that_sends_back_the_secret_is_not_quoted(secretive, cluster, status):
    before = cluster.log_size()
    echo = {"message": f"bad header Basic {SHAPES[1]}= or {SECRET}", "typeKey": SECRET}
    secretive.org.faults(
        {
            "kind": "status",
            "status": status,
            "endpoint": "projects",
            "body": echo,
            "headers": {"ActivityId": SECRET, "X-Echo": SECRET},
        }
    )
    with pytest.raises(psycopg.Error) as caught:
        secretive.execute("SELECT * FROM ado.projects")
    assert_no_secret(all_of(caught.value.diag))
    assert_no_secret(cluster.log_text(before))


def test_a_service_that_redirects_with_the_secret_is_not_quoted(secretive, cluster):
    before = cluster.log_size()
    secretive.org.faults(
        {
            "kind": "status",
            "status": 302,
            "endpoint": "projects",
            "headers": {"Location": f"https://example.com/?token={SECRET}"},
        }
    )
    with pytest.raises(psycopg.Error) as caught:
        secretive.execute("SELECT * FROM ado.projects")
    assert_no_secret(all_of(caught.value.diag))
    assert_no_secret(cluster.log_text(before))
