"""Copies builds into a table as users do without the extension: one project after the other.

script.py ORGANIZATION_URL PAT CONNECTION_STRING TABLE
"""

import sys

import psycopg
import requests

TABLE = """CREATE TABLE {} (
    id integer, project_name text, definition_name text, build_number text, status text, result text,
    reason text, source_branch text, requested_for_name text, queue_time timestamptz,
    start_time timestamptz, finish_time timestamptz)"""


def main(url: str, pat: str, target: str, table: str) -> None:
    session = requests.Session()
    session.auth = ("", pat)

    def ask(path: str, **parameters: str) -> requests.Response:
        answer = session.get(f"{url}{path}", params={"api-version": "7.1", **parameters})
        answer.raise_for_status()
        return answer

    with psycopg.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE.format(table))
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for project in ask("/_apis/projects").json()["value"]:
                more = {}
                while True:
                    answer = ask(f"/{project['id']}/_apis/build/builds", **more)
                    for build in answer.json()["value"]:
                        copy.write_row(row(build))
                    token = answer.headers.get("x-ms-continuationtoken")
                    if not token:
                        break
                    more = {"continuationToken": token}


def row(build: dict) -> tuple:
    return (
        build["id"],
        build["project"]["name"],
        build["definition"]["name"],
        build["buildNumber"],
        build["status"],
        build.get("result"),
        build["reason"],
        build["sourceBranch"],
        build["requestedFor"]["displayName"],
        build["queueTime"],
        build.get("startTime"),
        build.get("finishTime"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
