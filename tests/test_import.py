"""IMPORT FOREIGN SCHEMA: what it makes, what it refuses, and that it asks nobody."""

import psycopg
import pytest
from psycopg import sql

from harness.database import TABLES


@pytest.fixture
def db(new_db, org):
    """A server, nothing imported yet."""
    db = new_db(org)
    db.execute("DROP SCHEMA ado CASCADE; CREATE SCHEMA ado")
    return db


def imported(db, schema: str = "ado") -> set[str]:
    query = "SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = %s"
    return set(db.column(query, [schema]))


def test_everything_is_imported_without_a_request(db):
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado")
    assert imported(db) == set(TABLES)
    assert db.org.requests() == []


def test_import_needs_no_credential(db):
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado")
    assert imported(db) == set(TABLES)


def test_limit_to_imports_only_what_is_named(db):
    db.execute(
        "IMPORT FOREIGN SCHEMA azure_devops LIMIT TO (builds, projects) FROM SERVER ado INTO ado"
    )
    assert imported(db) == {"builds", "projects"}


def test_limit_to_an_unknown_table_lists_the_known(db):
    with pytest.raises(psycopg.errors.FdwTableNotFound) as caught:
        db.execute(
            "IMPORT FOREIGN SCHEMA azure_devops LIMIT TO (builds, bilds) FROM SERVER ado INTO ado"
        )
    assert '"bilds"' in caught.value.diag.message_primary
    assert "builds" in caught.value.diag.message_hint
    assert imported(db) == set()


def test_except_imports_all_others(db):
    statement = (
        "IMPORT FOREIGN SCHEMA azure_devops EXCEPT (builds, whatever) FROM SERVER ado INTO ado"
    )
    db.execute(statement)
    assert imported(db) == set(TABLES) - {"builds"}


@pytest.mark.parametrize("name", ["public", "azuredevops", '"Azure_DevOps"', '"we""ird"'])
def test_another_remote_schema_is_an_error_that_names_it(db, name):
    with pytest.raises(psycopg.Error) as caught:
        db.execute(f"IMPORT FOREIGN SCHEMA {name} FROM SERVER ado INTO ado")
    assert caught.value.sqlstate == "HV00Q"
    assert name.strip('"').replace('""', '"') in caught.value.diag.message_primary
    assert "azure_devops" in caught.value.diag.message_hint
    assert imported(db) == set()


def test_an_unknown_option_of_import_is_refused(db):
    with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="import_everything"):
        db.execute(
            "IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado"
            " OPTIONS (import_everything 'true')"
        )
    assert imported(db) == set()


@pytest.mark.parametrize(
    "schema", ["My Schema", 'we"ird', "select", "schöma", "a.b", "it's", "$$", "%I %s"]
)
def test_the_local_schema_may_have_any_name(db, schema):
    db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    statement = sql.SQL("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO {}")
    db.execute(statement.format(sql.Identifier(schema)))
    assert imported(db, schema) == set(TABLES)
    query = sql.SQL("SELECT count(*) FROM {}.projects").format(sql.Identifier(schema))
    assert db.value(query) == len(db.org.dump("projects"))
    comments = db.column(
        "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'f'",
        [schema],
    )
    assert all(comments)


@pytest.mark.parametrize("server", ["My Server", 'we"ird', "select", "it's"])
def test_the_server_may_have_any_name(db, org, server):
    db.attach(org, server=server, schema="other")
    assert db.value("SELECT count(*) FROM other.projects") == len(org.dump("projects"))


def test_importing_twice_says_that_the_tables_exist(db):
    statement = "IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado"
    db.execute(statement)
    with pytest.raises(psycopg.errors.DuplicateTable):
        db.execute(statement)


def test_two_organizations_in_two_schemas(db, new_org):
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado")
    other = new_org(projects=1)
    db.attach(other, server="other", schema="other")
    assert db.value("SELECT count(*) FROM other.builds") == len(other.dump("builds"))
    assert db.value("SELECT count(*) FROM ado.builds") == len(db.org.dump("builds"))


def test_tables_and_columns_have_comments(db):
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado")
    tables = db.rows("SELECT table_name, description FROM azure_devops.tables()")
    for name, description in tables:
        assert (
            db.value(f"SELECT obj_description('ado.{name}'::regclass, 'pg_class')") == description
        )
    missing = db.rows(
        "SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN azure_devops.columns() c"
        " ON 'ado.' || c.table_name = a.attrelid::regclass::text AND c.column_name = a.attname"
        " WHERE col_description(a.attrelid, a.attnum) IS DISTINCT FROM c.description"
    )
    assert missing == []


def test_comments_are_made_for_an_ordinary_role_too(db, org):
    role = db.role()
    db.execute(
        f"GRANT USAGE ON FOREIGN SERVER ado TO {role}; CREATE SCHEMA own AUTHORIZATION {role}"
    )
    db.connect(role).execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO own")
    assert db.value("SELECT obj_description('own.builds'::regclass, 'pg_class')")
    assert db.value("SELECT col_description('own.builds'::regclass, 1)")


def test_an_import_of_another_wrapper_is_left_alone(db, cluster):
    installed = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'"
    if not db.value(installed):
        pytest.skip("postgres_fdw is not installed")
    db.execute("CREATE EXTENSION postgres_fdw; CREATE SCHEMA far; CREATE TABLE far.builds (id int)")
    db.execute(
        f"CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS"
        f" (host '{cluster.socket_directory}', port '{cluster.port}', dbname '{db.name}')"
    )
    db.execute("CREATE USER MAPPING FOR postgres SERVER loop; CREATE SCHEMA near")
    db.execute("IMPORT FOREIGN SCHEMA far FROM SERVER loop INTO near")
    assert db.value("SELECT obj_description('near.builds'::regclass, 'pg_class')") is None


def test_the_catalogues_columns_are_those_of_the_imported_tables(db):
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado")
    declared = db.rows(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'ado'::regnamespace AND a.attnum > 0 ORDER BY 1, a.attnum"
    )
    known = db.rows(
        "SELECT table_name, column_name, data_type::regtype::text"
        " FROM azure_devops.columns() WITH ORDINALITY ORDER BY 1, ordinality"
    )
    assert declared == known


def test_the_catalogues_tables_are_described_in_full(db):
    for name, description, key, scope, path in db.rows("SELECT * FROM azure_devops.tables()"):
        assert name in TABLES
        assert description.endswith(".")
        assert scope.startswith("vso.")
        assert path.startswith("/_apis/")
        keys = "SELECT array_agg(column_name) FROM azure_devops.columns() WHERE table_name = %s AND is_key"
        assert sorted(db.value(keys, [name])) == sorted(key)


def test_the_catalogue_names_operators_that_are_really_pushed(db):
    db.execute("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado")
    columns = db.rows(
        "SELECT table_name, column_name, data_type, pushed_operators FROM azure_devops.columns()"
    )
    assert any(operators for *_, operators in columns)
    for table, column, kind, operators in columns:
        tried = {
            "=": f"{column} = (SELECT NULL::{kind})",
            "<>": f"{column} <> (SELECT NULL::{kind})",
            "NOT IN": f"{column} <> ALL (ARRAY[NULL, NULL]::{kind}[])",
            "IN": f"{column} = ANY (ARRAY[NULL, NULL]::{kind}[])",
            ">=": f"{column} >= (SELECT NULL::{kind})",
            ">": f"{column} > (SELECT NULL::{kind})",
            "<=": f"{column} <= (SELECT NULL::{kind})",
            "<": f"{column} < (SELECT NULL::{kind})",
            "@>": f"{column} @> (SELECT NULL::jsonb)",
            "?": f"{column} ? (SELECT NULL::text)",
            "?&": f"{column} ?& (SELECT NULL::text[])",
            "IS NOT NULL": f"{column} IS NOT NULL",
        }
        for operator in operators:
            plan = db.column(f"EXPLAIN (VERBOSE) SELECT * FROM ado.{table} WHERE {tried[operator]}")
            (pushed,) = [line for line in plan if "Azure DevOps Filter" in line]
            assert pushed.strip() == f"Azure DevOps Filter: {column}", (table, column, operator)


def test_everybody_may_read_the_catalogue(db):
    session = db.connect(db.role())
    for function in ("tables", "columns"):
        assert session.execute(f"SELECT count(*) FROM azure_devops.{function}()").fetchone()[0] > 0
