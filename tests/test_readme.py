"""What the README shows is true: its SQL runs, in its order."""

import re

from harness.build import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


# Only a server with pg_cron can run these; test_cron.py does.
SCHEDULING = [block for block in blocks("sql") if "cron." in block]


def test_every_query_of_the_readme_runs(cluster, new_org, new_db):
    org = new_org(now="real")
    db = new_db()
    # The template has the extension already; the README begins without.
    db.execute("DROP EXTENSION azure_devops_fdw CASCADE")
    for block in blocks("sql"):
        if block in SCHEDULING:
            continue
        block = block.replace("organization 'myorg'", f"base_url '{org.url}'")
        block = block.replace("your personal access token", org.pat)
        for statement in block.split(";\n"):
            if statement.strip():
                db.execute(statement)
    assert db.value("SELECT count(*) FROM product.releases") == 3
    assert any("minTime=" in notice for notice in db.notices)


def test_the_commands_of_the_readme_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    shown = set(re.findall(r"make ([a-z-]+)", README)) - {"sure"}
    assert shown
    for target in shown:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_options_of_the_readme_are_those_that_exist(db):
    sources = (REPOSITORY / "src/fdw/options.rs").read_text()
    known = set(re.findall(r'option\(\s*"([a-z_]+)"', sources))
    table = README.split("## Options")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| (?:server|user mapping|foreign table|column) \| `([a-z_]+)`", table, re.M))
    assert documented == known
