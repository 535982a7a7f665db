"""Databases that are not UTF-8 get their own encoding, or an error that names the column."""

import psycopg
import pytest

from harness.build import EXTENSION


@pytest.fixture
def encoded(cluster, org):
    """A connection to a database of the given encoding, with the organization in schema ado."""
    connections = []

    def connect(encoding: str) -> psycopg.Connection:
        name = f"encoded_{encoding.lower()}"
        with cluster.connect() as admin:
            admin.execute(
                f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
            )
        connection = cluster.connect(name)
        connections.append((name, connection))
        connection.execute(f"""
            CREATE EXTENSION {EXTENSION};
            CREATE SERVER ado FOREIGN DATA WRAPPER {EXTENSION} OPTIONS (base_url '{org.url}');
            CREATE USER MAPPING FOR postgres SERVER ado OPTIONS (pat '{org.pat}');
            CREATE SCHEMA ado;
            IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado""")
        return connection

    yield connect
    for name, connection in connections:
        connection.close()
        with cluster.connect() as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def put(org, title: str) -> int:
    """A pull request of that title; its id."""
    repository = next(r for r in org.dump("repositories") if not r["isDisabled"])
    pull_request = {"title": title, "labels": [{"name": title}]}
    operation = {"op": "put_pull_request", "repository": repository["id"], "pull_request": pull_request}
    (id,) = org.mutate(operation)
    return id


def test_texts_and_conditions_are_converted(encoded, org):
    id = put(org, "Größe & Maß")
    connection = encoded("LATIN1")
    connection.execute("SET client_encoding = 'UTF8'")
    # By id: other titles hold what LATIN1 lacks.
    query = """SELECT title, labels->0->>'name' FROM ado.pull_requests
               WHERE pull_request_id = %s AND title = %s"""
    assert connection.execute(query, [id, "Größe & Maß"]).fetchall() == [("Größe & Maß",) * 2]


@pytest.mark.parametrize("column", ["title", "attrs"])
def test_what_the_encoding_lacks_is_an_error_that_names_the_column(encoded, org, column):
    put(org, "プロジェクト")
    connection = encoded("LATIN1")
    with pytest.raises(psycopg.errors.UntranslatableCharacter) as caught:
        connection.execute(f"SELECT {column} FROM ado.pull_requests").fetchall()
    assert f'"{column}"' in caught.value.diag.message_detail
    assert connection.execute("SELECT count(*) FROM ado.pull_requests").fetchone()


def test_a_database_without_encoding_takes_the_bytes(encoded, org):
    put(org, "プロジェクト")
    connection = encoded("SQL_ASCII")
    query = "SELECT convert_to(title, 'SQL_ASCII') FROM ado.pull_requests WHERE title = 'プロジェクト'"
    # The driver cannot send such text to a server that knows no encoding; the server's own can.
    connection.execute("SET client_encoding = 'SQL_ASCII'")
    rows = connection.execute(query.encode()).fetchall()
    assert [bytes(title).decode() for (title,) in rows] == ["プロジェクト"]
