"""Options are checked when they are written: names, values, and who may set them."""

import psycopg
import pytest
from psycopg import sql

SERVER_OPTIONS = {
    "organization",
    "base_url",
    "pat",
    "api_version",
    "max_concurrency",
    "page_size",
    "request_timeout",
    "max_retries",
    "skip_inaccessible",
    "ca_certificate",
    "proxy",
    "login_url",
    "fdw_startup_cost",
    "fdw_page_cost",
}

MAPPING_OPTIONS = {
    "pat",
    "pat_secret",
    "tenant_id",
    "client_id",
    "client_secret",
    "client_secret_secret",
}

GOOD = {
    "organization": [
        "myorg",
        "my-org.2",
        "https://dev.azure.com/myorg",
        "https://dev.azure.com/myorg/",
        "https://dev.azure.com/myorg/Some%20Project/_build",
        "https://myorg.visualstudio.com",
    ],
    "base_url": [
        "https://dev.azure.com/myorg",
        "https://myorg.visualstudio.com",
        "https://tfs.example.com/tfs/DefaultCollection",
        "https://tfs.example.com:8443/tfs/DefaultCollection/",
        "http://127.0.0.1:8080/myorg",
        "http://[::1]:8080/myorg",
    ],
    "pat": ["simulator-token", "a" * 84],
    "api_version": ["5.0", "6.0", "7.0", "7.1", "7.2-preview", "7.2-preview.7"],
    "max_concurrency": ["1", "8", "64"],
    "page_size": ["1", "1000", "5000"],
    "request_timeout": ["1", "100", "3600"],
    "max_retries": ["0", "6", "100"],
    "skip_inaccessible": ["true", "false", "on", "off", "yes", "no", "1", "0", "TRUE"],
    "ca_certificate": [
        "/etc/ssl/company.pem",
        "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----",
    ],
    "fdw_startup_cost": ["0", "25", "1.5e3"],
    "fdw_page_cost": ["0", "100"],
    "proxy": ["http://proxy.example.com:3128", "https://proxy.example.com", "environment"],
    "login_url": ["https://login.microsoftonline.com", "https://login.example.com/adfs"],
}

BAD = {
    "organization": [
        "",
        " ",
        "a/b",
        "a?b",
        "a b",
        "..",
        "https://example.com/myorg",
        "https://me:secret@dev.azure.com/myorg",
        "https://dev.azure.com.example.com/myorg",
        "https://dev.azure.com/",
    ],
    "base_url": [
        "",
        "dev.azure.com/myorg",
        "ftp://dev.azure.com/myorg",
        "file:///etc/passwd",
        "https://me:secret@dev.azure.com/myorg",
        "https://me@dev.azure.com/myorg",
        "https://dev.azure.com/myorg?x=1",
        "https://dev.azure.com/myorg#x",
        "https://",
    ],
    "pat": ["", " ", "a\nb", "tökén"],
    "api_version": ["", "seven", "7", "7.1.2", "-1.0", "7.2-beta", "7.2-preview.x", "7.1; x"],
    "max_concurrency": ["", "0", "-1", "65", "many", "1.5", "99999999999999999999"],
    "page_size": ["", "0", "-1", "5001", "many"],
    "request_timeout": ["", "0", "-1", "3601", "1s"],
    "max_retries": ["", "-1", "101", "never"],
    "skip_inaccessible": ["", "maybe", "2", "tru e"],
    "ca_certificate": ["", " "],
    # A scheme that the client does not speak must not mean that it goes without a proxy.
    "fdw_startup_cost": ["", "-1", "cheap", "NaN", "inf"],
    "fdw_page_cost": ["", "-1", "1e13"],
    "login_url": ["", "login.example.com", "ftp://login.example.com"],
    "proxy": ["", "not a url", "ftp://proxy.example.com", "foo://proxy.example.com:3128"],
}

# kind of object -> statement with a place for an option, and the options that it has
PLACES = {
    "wrapper": ("ALTER FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (ADD {})", set()),
    "server": (
        "CREATE SERVER s FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS ({})",
        SERVER_OPTIONS,
    ),
    "altered server": ("ALTER SERVER ado OPTIONS (ADD {})", SERVER_OPTIONS),
    "user mapping": ("CREATE USER MAPPING FOR PUBLIC SERVER ado OPTIONS ({})", MAPPING_OPTIONS),
    "altered user mapping": (
        "ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (ADD {})",
        MAPPING_OPTIONS,
    ),
    "table": ("CREATE FOREIGN TABLE t (id int) SERVER ado OPTIONS ({})", {"table", "project", "rows_estimate"}),
    "altered table": ("ALTER FOREIGN TABLE ado.builds OPTIONS (ADD {})", {"table", "project", "rows_estimate"}),
    "column": ("CREATE FOREIGN TABLE t (id int OPTIONS ({})) SERVER ado", {"field"}),
    "altered column": ("ALTER FOREIGN TABLE ado.builds ALTER id OPTIONS (ADD {})", {"field"}),
}


def option(name: str, value: str) -> sql.Composable:
    return sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(value))


def create_server(db, name: str = "s", **options: str) -> None:
    if not options.keys() & {"organization", "base_url"}:
        options["organization"] = "myorg"
    pairs = sql.SQL(", ").join(option(*pair) for pair in options.items())
    statement = "CREATE SERVER {} FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS ({})"
    db.execute(sql.SQL(statement).format(sql.Identifier(name), pairs))


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_option_is_refused_with_the_valid_ones(db, place):
    statement, valid = PLACES[place]
    with pytest.raises(psycopg.errors.FdwInvalidOptionName) as caught:
        db.execute(sql.SQL(statement).format(option("zzz", "the value of it")))
    error = caught.value
    assert error.sqlstate == "HV00D"
    assert '"zzz"' in error.diag.message_primary
    assert "the value of it" not in str(error)
    listed = error.diag.message_hint
    if valid:
        names = set(listed.removesuffix(".").partition("are: ")[2].split(", "))
        assert names == valid
    else:
        assert listed == "There are no valid options in this context."


CLOSEST = {
    ("server", "organisation"): "organization",
    ("server", "organizaton"): "organization",
    ("server", "baseurl"): "base_url",
    ("server", "PAT"): "pat",
    ("server", "pagesize"): "page_size",
    ("server", "timeout"): "request_timeout",
    ("server", "concurrency"): "max_concurrency",
    ("server", "retries"): "max_retries",
    ("server", "apiversion"): "api_version",
    ("server", "ca_cert"): "ca_certificate",
    ("server", "skip_inacessible"): "skip_inaccessible",
    ("user mapping", "pats"): "pat",
    ("table", "tables"): "table",
    ("table", "projekt"): "project",
    ("column", "fields"): "field",
}


def test_the_closest_valid_option_is_suggested(db, subtests):
    for (place, name), meant in CLOSEST.items():
        with subtests.test(name), pytest.raises(psycopg.errors.FdwInvalidOptionName) as caught:
            db.execute(sql.SQL(PLACES[place][0]).format(option(name, "x")))
        assert f'Perhaps you meant the option "{meant}"' in caught.value.diag.message_hint, name


def test_good_values_are_accepted_where_they_are_created_and_altered(db, subtests):
    for name, values in GOOD.items():
        for value in values:
            with subtests.test(name=name, value=value):
                create_server(db, **{name: value})
                alter = "ALTER SERVER s OPTIONS (SET {})"
                db.execute(sql.SQL(alter).format(option(name, value)))
                db.execute("DROP SERVER s")


def test_bad_values_are_refused_with_what_would_be_accepted(db, subtests):
    create_server(db, "altered")
    for name, values in BAD.items():
        for value in values:
            with subtests.test(name=name, value=value):
                db.execute("DROP SERVER IF EXISTS s")
                with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
                    create_server(db, **{name: value})
                assert caught.value.sqlstate == "22023"
                assert f'"{name}"' in caught.value.diag.message_primary
                assert caught.value.diag.message_hint.startswith("Accepted: ")
                word = "SET" if name == "organization" else "ADD"
                alter = f"ALTER SERVER altered OPTIONS ({word} {{}})"
                with pytest.raises(psycopg.errors.InvalidParameterValue):
                    db.execute(sql.SQL(alter).format(option(name, value)))


def test_bad_values_of_mappings_tables_and_columns_are_refused(db, subtests):
    for place, name, value in [
        ("user mapping", "pat", ""),
        ("user mapping", "pat", "a\nb"),
        ("table", "project", " "),
        ("table", "rows_estimate", "0"),
        ("table", "rows_estimate", "many"),
        ("column", "field", ""),
        ("column", "field", "a[x]"),
    ]:
        with subtests.test(place=place, name=name, value=value):
            db.execute("DROP FOREIGN TABLE IF EXISTS t")
            with pytest.raises(psycopg.errors.InvalidParameterValue, match=name):
                db.execute(sql.SQL(PLACES[place][0]).format(option(name, value)))


def test_no_bad_value_of_a_secret_is_echoed(db, cluster):
    before = cluster.log_size()
    for value in ("s3cret\ntoken", "s3cret-tökén"):
        for place in ("server", "user mapping"):
            with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
                db.execute(sql.SQL(PLACES[place][0]).format(option("pat", value)))
            said = caught.value.diag
            for part in (
                said.message_primary,
                said.message_detail,
                said.message_hint,
                said.context,
            ):
                assert "s3cret" not in (part or "")
    lines = [line for line in cluster.log_text(before).splitlines() if "STATEMENT:" not in line]
    assert all("s3cret" not in line for line in lines if "ERROR:" in line)


def test_user_information_in_a_url_is_refused_without_echo(db):
    for name in ("organization", "base_url"):
        with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
            create_server(db, **{name: "https://me:s3cret@dev.azure.com/myorg"})
        assert "user information" in caught.value.diag.message_primary
        assert "s3cret" not in str(caught.value.diag.message_primary) + str(
            caught.value.diag.message_hint
        )


def test_a_server_needs_an_organization_or_a_url(db):
    with pytest.raises(psycopg.errors.FdwOptionNameNotFound) as caught:
        db.execute("CREATE SERVER s FOREIGN DATA WRAPPER azure_devops_fdw")
    assert "organization" in caught.value.diag.message_primary
    create_server(db, organization="myorg")
    with pytest.raises(psycopg.errors.FdwOptionNameNotFound):
        db.execute("ALTER SERVER s OPTIONS (DROP organization)")


def test_a_user_mapping_without_options_is_accepted_and_refused_when_used(db):
    db.execute(
        "DROP USER MAPPING FOR postgres SERVER ado; CREATE USER MAPPING FOR postgres SERVER ado"
    )
    with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification):
        db.execute("SELECT * FROM ado.projects")
    assert db.org.requests() == []


def test_options_of_the_server_reach_the_requests(db):
    db.server_options(page_size=7, api_version="6.0")
    assert db.value("SELECT count(*) FROM ado.builds") == len(db.org.dump("builds"))
    queries = [dict(entry["query"]) for entry in db.org.requests("builds")]
    assert {query["$top"] for query in queries} == {"7"}
    assert {query["api-version"] for query in queries} == {"6.0"}


def test_max_concurrency_bounds_what_is_under_way_at_once(new_db, new_org):
    for limit in (1, 3):
        org = new_org(projects=8, latency_ms=20)
        db = new_db(org, max_concurrency=limit)
        assert db.value("SELECT count(*) FROM ado.builds") == len(org.dump("builds"))
        assert org.summary()["max_concurrent"] <= limit
        if limit > 1:
            assert org.summary()["max_concurrent"] > 1


def test_max_retries_zero_asks_once(db):
    db.server_options(max_retries=0)
    db.org.faults({"kind": "json_500", "endpoint": "projects"})
    with pytest.raises(psycopg.errors.ConnectionFailure, match="attempt 1"):
        db.execute("SELECT * FROM ado.projects")
    assert len(db.org.requests()) == 1


def test_request_timeout_ends_a_request_that_does_not_answer(db):
    db.server_options(request_timeout=1, max_retries=0)
    db.org.faults({"kind": "stalled_headers", "endpoint": "projects"})
    with pytest.raises(psycopg.errors.FdwUnableToEstablishConnection, match="timed out"):
        db.execute("SELECT * FROM ado.projects")


def test_a_proxy_is_used_when_it_is_set_and_only_then(db):
    db.server_options(proxy="http://127.0.0.1:9", max_retries=0)
    with pytest.raises(psycopg.errors.FdwUnableToEstablishConnection):
        db.execute("SELECT * FROM ado.projects")
    assert db.org.requests() == []
    db.server_options(proxy=None)
    assert db.rows("SELECT * FROM ado.projects")


def test_a_certificate_file_that_cannot_be_read_is_an_error(db):
    db.server_options(ca_certificate="/no/such/file.pem")
    with pytest.raises(psycopg.Error, match="ca_certificate"):
        db.execute("SELECT * FROM ado.projects")
    db.server_options(
        ca_certificate="-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----"
    )
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT * FROM ado.projects")
    assert caught.value.sqlstate == "HV00N"
    assert db.org.requests() == []


def test_both_url_and_organization_use_the_url(db):
    db.server_options(organization="elsewhere")
    assert len(db.rows("SELECT * FROM ado.projects")) == len(db.org.dump("projects"))
