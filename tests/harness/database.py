"""A database with the extension, connected to an organization."""

import itertools
import os

import psycopg
from psycopg import sql

from .build import EXTENSION
from .cluster import Cluster
from .simulator import Organization

TEMPLATE = "with_extension"
TABLES = ("projects", "repositories", "builds", "pull_requests", "work_item_revisions")
_numbers = itertools.count(1)


def create_template(cluster: Cluster) -> None:
    """Copying a database is faster than CREATE EXTENSION, which loads the library."""
    with cluster.connect() as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    with cluster.connect(TEMPLATE) as connection:
        connection.execute(f"CREATE EXTENSION {EXTENSION}")


class Database:
    """A fresh database; `connection` is the superuser's, in autocommit."""

    def __init__(self, cluster: Cluster, name: str | None = None):
        self.cluster = cluster
        self.name = name or f"test_{os.getpid()}_{next(_numbers)}"
        self.org: Organization | None = None
        self.notices: list[str] = []
        self._connections: list[psycopg.Connection] = []
        self._roles: list[str] = []
        with cluster.connect() as connection:
            connection.execute(f'CREATE DATABASE "{self.name}" TEMPLATE {TEMPLATE}')
        self.connection = self.connect()

    def attach(
        self, org: Organization, server: str = "ado", schema: str = "ado", **options
    ) -> None:
        """Makes the server, a mapping for the superuser, and the tables in a schema."""
        self.org = self.org or org
        options = {"base_url": org.url, **options}
        self.execute(
            sql.SQL("CREATE SERVER {} FOREIGN DATA WRAPPER {} OPTIONS ({})").format(
                sql.Identifier(server), sql.Identifier(EXTENSION), _options(options)
            )
        )
        self.map_user(server, org.pat)
        self.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        self.execute(
            sql.SQL("IMPORT FOREIGN SCHEMA azure_devops FROM SERVER {} INTO {}").format(
                sql.Identifier(server), sql.Identifier(schema)
            )
        )

    def map_user(self, server: str, pat: str, user: str = "postgres") -> None:
        self.execute(
            sql.SQL("CREATE USER MAPPING FOR {} SERVER {} OPTIONS ({})").format(
                sql.Identifier(user), sql.Identifier(server), _options({"pat": pat})
            )
        )

    def server_options(self, server: str = "ado", **options) -> None:
        """Sets options of the server; None drops one."""
        self.execute(_alteration("SERVER", server, self._present(server), options))

    def connect(self, user: str = "postgres", **more) -> psycopg.Connection:
        """One more connection; it ends with the database. Its notices go to `notices` too."""
        connection = self.cluster.connect(self.name, user, **more)
        connection.add_notice_handler(lambda notice: self.notices.append(notice.message_primary))
        self._connections.append(connection)
        return connection

    def role(self, attributes: str = "LOGIN") -> str:
        """A new role, to be used with `connect(user=…)`; dropped with the database."""
        name = f"{self.name}_role_{len(self._roles) + 1}"
        self.execute(f'CREATE ROLE "{name}" {attributes}')
        self._roles.append(name)
        return name

    def execute(self, query, parameters=None) -> psycopg.Cursor:
        return self.connection.execute(query, parameters)

    def rows(self, query, parameters=None) -> list[tuple]:
        return self.execute(query, parameters).fetchall()

    def row(self, query, parameters=None) -> tuple:
        (row,) = self.rows(query, parameters)
        return row

    def value(self, query, parameters=None):
        """The one value of the one row."""
        (value,) = self.row(query, parameters)
        return value

    def column(self, query, parameters=None) -> list:
        return [value for (value,) in self.rows(query, parameters)]

    def take_notices(self) -> list[str]:
        """The notices since the last call."""
        taken, self.notices[:] = list(self.notices), []
        return taken

    def backend_pid(self) -> int:
        return self.connection.info.backend_pid

    def drop(self) -> None:
        for connection in self._connections:
            connection.close()
        with self.cluster.connect() as connection:
            connection.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
            for role in self._roles:
                connection.execute(f'DROP ROLE "{role}"')

    def _present(self, server: str) -> set[str]:
        query = "SELECT srvoptions FROM pg_foreign_server WHERE srvname = %s"
        return {option.split("=", 1)[0] for option in self.value(query, [server]) or []}


def _options(options: dict) -> sql.Composable:
    pairs = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(str(value)))
        for name, value in options.items()
    ]
    return sql.SQL(", ").join(pairs)


def _alteration(kind: str, name: str, present: set[str], options: dict) -> sql.Composable:
    changes = []
    for option, value in options.items():
        if value is None:
            changes.append(sql.SQL("DROP {}").format(sql.Identifier(option)))
        else:
            word = sql.SQL("SET " if option in present else "ADD ")
            changes.append(word + _options({option: value}))
    head = sql.SQL(f"ALTER {kind} {{}} OPTIONS ({{}})")
    return head.format(sql.Identifier(name), sql.SQL(", ").join(changes))
