"""What the extension has put into a database's catalogs, for comparing databases.

Names stand for numbers of objects, and the word "owner" for whoever that is.
"""

from harness.database import Database

# Privileges by name; NULL in the catalog means the type's default ones.
_PRIVILEGES = """
  (SELECT array_agg(line ORDER BY line) FROM (
     SELECT format('%s: %s%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' WHEN {owner} THEN 'owner'
                                ELSE a.grantee::regrole::text END,
                   a.privilege_type, CASE WHEN a.is_grantable THEN ' grantable' ELSE '' END) AS line
     FROM aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) AS a) AS lines) AS privileges
"""


def _privileges(kind: str, alias: str, column: str, owner: str) -> str:
    return _PRIVILEGES.format(kind=kind, acl=f"{alias}.{column}", owner=f"{alias}.{owner}")


_MEMBER = """
  EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
          WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
            AND e.extname = 'azure_devops_fdw' AND d.classid = '{}'::regclass AND d.objid = {}.oid)
"""


# By kind: rows of an object's name and of everything that makes it what it is.
_QUERIES = {
    "extension": """
      SELECT e.extname, e.extversion, e.extrelocatable, n.nspname,
             (SELECT array_agg((c.number::regclass, c.condition)::text
                               ORDER BY c.number::regclass::text)
              FROM unnest(e.extconfig, e.extcondition) AS c(number, condition)) AS dumped_tables,
             obj_description(e.oid, 'pg_extension') AS remark
      FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
      WHERE e.extname = 'azure_devops_fdw'
    """,
    "member": """
      SELECT o.identity, o.type
      FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid,
           pg_identify_object(d.classid, d.objid, d.objsubid) AS o
      WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        AND e.extname = 'azure_devops_fdw'
    """,
    "initial privileges": """
      SELECT o.identity, o.type, i.privtype, i.initprivs::text
      FROM pg_init_privs AS i, pg_identify_object(i.classoid, i.objoid, i.objsubid) AS o
      WHERE i.privtype = 'e'
    """,
    "schema": f"""
      SELECT n.nspname, obj_description(n.oid, 'pg_namespace') AS remark,
             {_privileges("n", "n", "nspacl", "nspowner")}
      FROM pg_namespace AS n WHERE n.nspname = 'azure_devops'
    """,
    "function": f"""
      SELECT p.oid::regprocedure::text, p.prokind, l.lanname, p.prosrc, p.probin,
             pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
             p.provolatile, p.proparallel, p.proisstrict, p.prosecdef, p.proleakproof,
             p.procost, p.prorows, p.prosupport::text, p.proconfig,
             obj_description(p.oid, 'pg_proc') AS remark,
             {_privileges("f", "p", "proacl", "proowner")}
      FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
      WHERE {_MEMBER.format("pg_proc", "p")}
    """,
    "relation": f"""
      SELECT c.oid::regclass::text, c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity,
             c.relreplident,
             CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS view,
             obj_description(c.oid, 'pg_class') AS remark,
             {_privileges("r", "c", "relacl", "relowner")}
      FROM pg_class AS c WHERE {_MEMBER.format("pg_class", "c")}
    """,
    "column": rf"""
      SELECT format('%s.%I', c.oid::regclass, a.attname), a.attnum,
             format_type(a.atttypid, a.atttypmod) AS type, a.attcollation::regcollation::text,
             a.attnotnull, a.attidentity, a.attgenerated, a.attacl::text, a.attstorage,
             -- PostgreSQL notes in it, since some minor version, when the column was last changed.
             (SELECT array_agg(o ORDER BY o) FROM unnest(a.attoptions) AS o
              WHERE o NOT LIKE 'pg\_attver=%') AS attoptions,
             pg_get_expr(v.adbin, v.adrelid) AS default_value,
             col_description(c.oid, a.attnum) AS remark
      FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
      LEFT JOIN pg_attrdef AS v ON v.adrelid = c.oid AND v.adnum = a.attnum
      WHERE a.attnum > 0 AND NOT a.attisdropped AND {_MEMBER.format("pg_class", "c")}
    """,
    "constraint": f"""
      SELECT format('%s of %s', k.conname, c.oid::regclass), pg_get_constraintdef(k.oid),
             k.convalidated, obj_description(k.oid, 'pg_constraint') AS remark
      FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
      WHERE {_MEMBER.format("pg_class", "c")}
    """,
    "index": f"""
      SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisvalid
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
      WHERE {_MEMBER.format("pg_class", "c")}
    """,
    "trigger": f"""
      SELECT format('%s of %s', t.tgname, c.oid::regclass), pg_get_triggerdef(t.oid), t.tgenabled
      FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
      WHERE NOT t.tgisinternal AND {_MEMBER.format("pg_class", "c")}
    """,
    "event trigger": """
      SELECT t.evtname, t.evtevent, t.evttags, t.evtenabled, t.evtfoid::regprocedure::text,
             obj_description(t.oid, 'pg_event_trigger') AS remark
      FROM pg_event_trigger AS t
    """,
    "foreign data wrapper": f"""
      SELECT w.fdwname, w.fdwhandler::regproc::text, w.fdwvalidator::regproc::text, w.fdwoptions,
             obj_description(w.oid, 'pg_foreign_data_wrapper') AS remark,
             {_privileges("F", "w", "fdwacl", "fdwowner")}
      FROM pg_foreign_data_wrapper AS w
    """,
}


def contents(db: Database) -> dict[tuple[str, str], dict[str, object]]:
    """Properties of everything of the extension's, by kind and name."""
    found = {}
    for kind, query in _QUERIES.items():
        cursor = db.execute(query)
        names = [column.name for column in cursor.description]
        for row in cursor:
            found[kind, row[0]] = dict(zip(names[1:], row[1:]))
    return found


def differences(old: dict, new: dict, first: str, second: str) -> list[str]:
    """One line for each thing that is in one only, and for each property that differs."""
    lines = []
    for thing in sorted(old.keys() | new.keys()):
        called = " ".join(thing)
        if thing not in new:
            lines.append(f"{called}: only in {first}")
        elif thing not in old:
            lines.append(f"{called}: only in {second}")
        else:
            for property, value in new[thing].items():
                other = old[thing][property]
                if other != value:
                    lines.append(f"{called}: {property} differs: {_shown(other)}, {_shown(value)}")
    return lines


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
