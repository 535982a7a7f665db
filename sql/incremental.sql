-- Incremental refresh: a materialized view whose definition reads its own previous contents and
-- merges what changed since. ARCHITECTURE.md tells the recipes.

-- Where each target stands. A feed's token is written in the transaction that writes the data.
CREATE TABLE azure_devops.bookmarks (
  target     text PRIMARY KEY,
  source     text NOT NULL,
  watermark  text,
  "rows"     bigint,
  last_run   timestamptz NOT NULL,
  last_error text
);

COMMENT ON TABLE azure_devops.bookmarks IS
  'Where incremental refresh stands, per materialized view or table.';
COMMENT ON COLUMN azure_devops.bookmarks.target IS 'Materialized view or table, qualified and quoted.';
COMMENT ON COLUMN azure_devops.bookmarks.source IS 'Foreign table, qualified and quoted.';
COMMENT ON COLUMN azure_devops.bookmarks.watermark IS
  'How far the source has been read: the token of a feed, the latest time of a list.';
COMMENT ON COLUMN azure_devops.bookmarks."rows" IS 'Rows that the last run read from the service.';
COMMENT ON COLUMN azure_devops.bookmarks.last_run IS 'When the last run ended.';
COMMENT ON COLUMN azure_devops.bookmarks.last_error IS 'Why the last run failed; NULL if it did not.';

SELECT pg_catalog.pg_extension_config_dump('azure_devops.bookmarks', '');
GRANT SELECT ON azure_devops.bookmarks TO PUBLIC;

-- The qualified and quoted name of a relation.
CREATE FUNCTION azure_devops.name_of(relation regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.oid = relation
$$;

-- Writes a bookmark for a materialized view that this session is refreshing or creating. Everybody
-- may call it, since refresh runs as the view's owner; the lock shows that the caller is entitled.
CREATE FUNCTION azure_devops.save_bookmark(target regclass, source regclass, watermark text, read bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation'
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.relation = save_bookmark.target
      AND (l.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
           -- What sync() holds of an ordinary table.
           OR l.mode = 'ShareUpdateExclusiveLock')
  ) THEN
    RETURN false;
  END IF;
  INSERT INTO azure_devops.bookmarks AS b (target, source, watermark, "rows", last_run)
  VALUES (azure_devops.name_of(save_bookmark.target), azure_devops.name_of(save_bookmark.source),
          save_bookmark.watermark, read, clock_timestamp())
  ON CONFLICT ON CONSTRAINT bookmarks_pkey DO UPDATE
    SET source = EXCLUDED.source, watermark = EXCLUDED.watermark, "rows" = EXCLUDED."rows",
        last_run = EXCLUDED.last_run, last_error = NULL;
  RETURN true;
END
$$;

-- The declared name of a column of the catalogue; NULL if there is none of the catalogue's type.
CREATE FUNCTION azure_devops.declared_name(source regclass, catalogue_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT quote_ident(d.declared_name)
          FROM azure_devops.declared_columns(source) AS d
          WHERE d.column_name = catalogue_name AND d.has_own_type
          LIMIT 1);
END
$$;

-- The kind of table that a foreign table shows; an error unless its key is declared.
CREATE FUNCTION azure_devops.kind_with_key(source regclass) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind text;
  missing text;
BEGIN
  SELECT d.table_name INTO kind FROM azure_devops.declared_columns(source) AS d LIMIT 1;
  SELECT string_agg(c.column_name, ', ' ORDER BY c.column_name) INTO missing
  FROM azure_devops.columns() AS c
  WHERE c.table_name = kind AND c.is_key
    AND NOT EXISTS (SELECT FROM azure_devops.declared_columns(source) AS d
                    WHERE d.column_name = c.column_name);
  IF kind IS NULL OR missing IS NOT NULL THEN
    RAISE EXCEPTION 'foreign table % lacks key column %', azure_devops.name_of(source), missing
      USING ERRCODE = 'undefined_column',
            HINT = 'Declare it: rows are told apart by the key.';
  END IF;
  RETURN kind;
END
$$;

-- Builds and pull requests: SQL of the rows that may have changed since the target was read, as
-- "fresh(s)", and of the condition under which a stored row "m" stays.
--
-- $1 projects that the target knows and that are still there, $2 projects that are new to it,
-- $3 keys stored as unfinished, $4 where the finished ones begin.
CREATE FUNCTION azure_devops.changes_sql(source regclass, kind text, OUT fresh text, OUT kept text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id text := azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'id' ELSE 'pull_request_id' END);
  status text := azure_devops.declared_name(source, 'status');
  ended text := azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END);
  project text := azure_devops.declared_name(source, 'project_id');
  name text := azure_devops.name_of(source);
  open text := CASE kind WHEN 'builds' THEN status || ' <> ''completed''' ELSE status || ' = ''active''' END;
BEGIN
  IF id IS NULL OR status IS NULL OR ended IS NULL OR project IS NULL THEN
    RETURN;
  END IF;
  -- The open ones are read first: one that ends meanwhile is then seen twice, never missed. That is
  -- what the count is for: its value decides nothing, but it has to be known.
  fresh := format(
    'open_rows AS MATERIALIZED (
       SELECT s FROM %1$s AS s WHERE s.%2$s AND s.%3$s = ANY ($1)),
     ended_rows AS MATERIALIZED (
       SELECT s FROM %1$s AS s
       WHERE (SELECT pg_catalog.count(*) FROM open_rows) >= 0 AND s.%4$s >= $4 AND s.%3$s = ANY ($1)),
     late_rows AS MATERIALIZED (
       SELECT s FROM %1$s AS s
       WHERE s.%5$s = ANY (ARRAY(
               SELECT k.id FROM pg_catalog.unnest($3) AS k(id)
               EXCEPT SELECT (o.s).%5$s FROM open_rows AS o
               EXCEPT SELECT (e.s).%5$s FROM ended_rows AS e))
         AND s.%3$s = ANY ($1)),
     new_rows AS MATERIALIZED (SELECT s FROM %1$s AS s WHERE s.%3$s = ANY ($2)),
     fresh AS MATERIALIZED (
       SELECT DISTINCT ON ((a.s).%5$s) a.s
       FROM (SELECT 3 AS age, s FROM open_rows UNION ALL SELECT 2, s FROM ended_rows
             UNION ALL SELECT 1, s FROM late_rows UNION ALL SELECT 0, s FROM new_rows) AS a
       ORDER BY (a.s).%5$s, a.age)',
    name, open, project, ended, id);
  kept := format(
    'm.%1$s = ANY ($1) AND m.%2$s <> ALL ($3)
     AND NOT EXISTS (SELECT FROM fresh AS f WHERE (f.s).%2$s = m.%2$s)',
    project, id);
END
$$;

-- What a target holds: its projects, where the list of the ended rows of each begins, and the keys of
-- the rows that have not ended. One pass.
CREATE FUNCTION azure_devops.stored_state(
  source regclass, target_name text, kind text,
  OUT projects uuid[], OUT latest timestamptz[], OUT unfinished integer[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Every project has its own beginning: a read that takes hours ends later in one than in another.
  -- Ten minutes of overlap, because the clocks of the service's machines differ a little, and what
  -- has ended may be listed a little late. Nothing in the service is older than 2000.
  EXECUTE format(
    'SELECT coalesce(array_agg(g.project) FILTER (WHERE g.is_one), ''{}''),
            coalesce(array_agg(g.latest) FILTER (WHERE g.is_one), ''{}''),
            coalesce(max(g.unfinished), ''{}'')
     FROM (SELECT m.%1$s AS project, grouping(m.%1$s) = 0 AS is_one,
                  coalesce(max(m.%2$s) - interval ''10 minutes'', ''2000-01-01Z'') AS latest,
                  CASE WHEN grouping(m.%1$s) = 1
                       THEN array_agg(m.%3$s::integer) FILTER (WHERE m.%4$s) END AS unfinished
           FROM %5$s AS m
           GROUP BY GROUPING SETS ((m.%1$s), ())) AS g',
    azure_devops.declared_name(source, 'project_id'),
    azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END),
    azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'id' ELSE 'pull_request_id' END),
    azure_devops.declared_name(source, 'status')
      || CASE kind WHEN 'builds' THEN ' IS DISTINCT FROM ''completed''' ELSE ' = ''active''' END,
    target_name)
    INTO projects, latest, unfinished;
END
$$;

CREATE FUNCTION azure_devops.incremental("row" anyelement, matview text) RETURNS SETOF anyelement
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  source regclass;
  view regclass := to_regclass(matview);
  kind text;
  from_source text;
  same_shape boolean;
  has_rows boolean := false;
  token text;
  started bigint;
BEGIN
  SELECT t.typrelid INTO source FROM pg_type AS t WHERE t.oid = pg_typeof("row") AND t.typrelid <> 0;
  IF source IS NULL THEN
    RAISE EXCEPTION 'the first argument of azure_devops.incremental() is not a row of a foreign table'
      USING ERRCODE = 'wrong_object_type', HINT = 'Write it like this: NULL::ado.builds.';
  END IF;
  kind := azure_devops.kind_with_key(source);
  IF view IS NULL THEN
    RAISE EXCEPTION 'materialized view "%" does not exist', matview
      USING ERRCODE = 'undefined_table',
            HINT = 'Write the name of the view itself, with its schema, quoted as in SQL.';
  END IF;
  from_source := azure_devops.name_of(source);
  SELECT array_agg((a.attname, a.atttypid, a.atttypmod)::text ORDER BY a.attnum)
           FILTER (WHERE a.attrelid = source)
         = array_agg((a.attname, a.atttypid, a.atttypmod)::text ORDER BY a.attnum)
           FILTER (WHERE a.attrelid = view)
    INTO same_shape
    FROM pg_attribute AS a
    WHERE a.attrelid IN (source, view) AND a.attnum > 0 AND NOT a.attisdropped;
  IF same_shape AND coalesce(current_setting('azure_devops_fdw.read_in_full', true), '') <> 'on' THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', azure_devops.name_of(view)) INTO has_rows;
  END IF;

  IF kind = 'work_item_revisions' THEN
    IF has_rows THEN
      SELECT b.watermark INTO token FROM azure_devops.bookmarks AS b
      WHERE b.target = azure_devops.name_of(view) AND b.source = from_source;
    END IF;
    PERFORM azure_devops.start_feed(source::oid, token, NULL);
    IF token IS NULL THEN
      RETURN QUERY EXECUTE format('SELECT * FROM %s', from_source);
    ELSE
      RETURN QUERY EXECUTE azure_devops.revisions_sql(source, view);
    END IF;
    GET DIAGNOSTICS started = ROW_COUNT;
    PERFORM azure_devops.save_bookmark(
      view, source, coalesce(azure_devops.feed_token(source::oid), token), started);
    RETURN;
  END IF;

  IF has_rows AND kind IN ('builds', 'pull_requests') THEN
    DECLARE
      changes record := azure_devops.changes_sql(source, kind);
      latest timestamptz[];
      stored uuid[];
      unfinished integer[];
      visible uuid[];
    BEGIN
      IF changes.fresh IS NOT NULL THEN
        SELECT s.projects, s.latest, s.unfinished INTO stored, latest, unfinished
          FROM azure_devops.stored_state(source, azure_devops.name_of(view), kind) AS s;
        visible := ARRAY(SELECT azure_devops.visible_projects(source::oid));
        PERFORM azure_devops.start_lists(
          source::oid, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END,
          stored, latest);
        RETURN QUERY EXECUTE format(
          'WITH %s SELECT (f.s).* FROM fresh AS f UNION ALL SELECT m.* FROM %s AS m WHERE %s',
          changes.fresh, azure_devops.name_of(view), changes.kept)
          USING ARRAY(SELECT unnest(visible) INTERSECT SELECT unnest(stored)),
                ARRAY(SELECT unnest(visible) EXCEPT SELECT unnest(stored)),
                unfinished,
                (SELECT min(l) FROM unnest(latest) AS l);
        GET DIAGNOSTICS started = ROW_COUNT;
        PERFORM azure_devops.save_bookmark(
          view, source, (SELECT max(l)::text FROM unnest(latest) AS l), started);
        RETURN;
      END IF;
    END;
  END IF;

  RETURN QUERY EXECUTE format('SELECT * FROM %s', from_source);
  GET DIAGNOSTICS started = ROW_COUNT;
  PERFORM azure_devops.save_bookmark(view, source, NULL, started);
END
$$;

COMMENT ON FUNCTION azure_devops.incremental(anyelement, text) IS
  'The rows of a foreign table, read by merging what changed into the stored rows of the view that it defines.';

-- The columns of revisions that the service changes when the next revision "n" is written, with
-- expressions over the stored row "m".
CREATE FUNCTION azure_devops.revised_columns(source regclass)
RETURNS TABLE (attribute name, expression text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed text := azure_devops.declared_name(source, 'changed_date');
  fields text := azure_devops.declared_name(source, 'fields');
  attrs text := azure_devops.declared_name(source, 'attrs');
  raw_date text := CASE
    WHEN fields IS NOT NULL THEN format('(n.s).%s -> ''System.ChangedDate''', fields)
    WHEN attrs IS NOT NULL THEN format('(n.s).%s -> ''fields'' -> ''System.ChangedDate''', attrs)
  END;
BEGIN
  RETURN QUERY
    SELECT d.declared_name::name,
      CASE d.column_name
        WHEN 'revised_date' THEN format('(n.s).%s', changed)
        WHEN 'fields' THEN
          format('CASE WHEN m.%1$I ? ''System.RevisedDate''
                  THEN pg_catalog.jsonb_set(m.%1$I, ''{System.RevisedDate}'', %2$s) ELSE m.%1$I END',
                 d.declared_name, raw_date)
        ELSE
          format('CASE WHEN m.%1$I -> ''fields'' ? ''System.RevisedDate''
                  THEN pg_catalog.jsonb_set(m.%1$I, ''{fields,System.RevisedDate}'', %2$s) ELSE m.%1$I END',
                 d.declared_name, raw_date)
      END
    FROM azure_devops.declared_columns(source) AS d
    WHERE d.has_own_type
      AND (d.column_name IN ('fields', 'attrs') OR (d.column_name = 'revised_date' AND changed IS NOT NULL));
END
$$;

-- Revisions: what the feed has behind the token, and the stored ones, whose System.RevisedDate the
-- service sets when the next revision is written.
CREATE FUNCTION azure_devops.revisions_sql(source regclass, target regclass) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id text := azure_devops.declared_name(source, 'id');
  rev text := azure_devops.declared_name(source, 'rev');
  columns text;
BEGIN
  SELECT string_agg(
      CASE WHEN r.expression IS NULL THEN format('m.%I', a.attname)
           -- A row is NULL only if all of its columns are, so its key tells.
           ELSE format('CASE WHEN (n.s).%s IS NULL THEN m.%I ELSE %s END', id, a.attname, r.expression)
      END, ', ' ORDER BY a.attnum)
    INTO columns
    FROM pg_attribute AS a
    LEFT JOIN azure_devops.revised_columns(source) AS r ON r.attribute = a.attname
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
  RETURN format(
    'WITH fresh AS MATERIALIZED (SELECT s FROM %1$s AS s)
     SELECT (f.s).* FROM fresh AS f
     UNION ALL
     SELECT %5$s
     FROM %2$s AS m
     LEFT JOIN fresh AS n ON (n.s).%3$s = m.%3$s AND (n.s).%4$s = m.%4$s + 1
     WHERE NOT EXISTS (SELECT FROM fresh AS f WHERE (f.s).%3$s = m.%3$s AND (f.s).%4$s = m.%4$s)',
    azure_devops.name_of(source), azure_devops.name_of(target), id, rev, columns);
END
$$;

CREATE FUNCTION azure_devops.create_materialized_view(matview text, source regclass) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind text := azure_devops.kind_with_key(source);
  parts text[] := parse_ident(matview);
  name text;
  statements text[];
  statement text;
BEGIN
  IF cardinality(parts) <> 2 THEN
    RAISE EXCEPTION 'the name "%" has no schema', matview
      USING ERRCODE = 'invalid_name', HINT = 'Write it like this: analytics.builds.';
  END IF;
  name := format('%I.%I', parts[1], parts[2]);
  IF to_regclass(name) IS NOT NULL THEN
    RAISE EXCEPTION 'relation "%" already exists', name
      USING ERRCODE = 'duplicate_table', HINT = 'Drop it first, or choose another name.';
  END IF;
  statements := ARRAY[
    CASE WHEN kind IN ('builds', 'pull_requests', 'work_item_revisions') THEN
      format('CREATE MATERIALIZED VIEW %s AS SELECT * FROM azure_devops.incremental(NULL::%s, %L)',
             name, azure_devops.name_of(source), name)
    ELSE
      format('CREATE MATERIALIZED VIEW %s AS SELECT * FROM %s', name, azure_devops.name_of(source))
    END,
    (SELECT format('CREATE UNIQUE INDEX ON %s (%s)', name,
                   string_agg(format('%I', d.declared_name), ', ' ORDER BY d.column_name))
     FROM azure_devops.declared_columns(source) AS d WHERE d.is_key)];
  FOREACH statement IN ARRAY statements LOOP
    EXECUTE statement;
  END LOOP;
  RETURN array_to_string(statements, E';\n') || ';';
END
$$;

COMMENT ON FUNCTION azure_devops.create_materialized_view(text, regclass) IS
  'Creates a materialized view of a foreign table that refreshes incrementally, with its unique index; returns the SQL.';

-- Reads everything anew, whatever the view holds; readers are not blocked if it has a unique index.
CREATE FUNCTION azure_devops.full_refresh(matview regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  can_be_concurrent boolean;
BEGIN
  SELECT c.relispopulated AND EXISTS (
           SELECT FROM pg_index AS i
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
             AND i.indpred IS NULL AND i.indexprs IS NULL)
    INTO can_be_concurrent
    FROM pg_class AS c WHERE c.oid = matview;
  PERFORM set_config('azure_devops_fdw.read_in_full', 'on', true);
  EXECUTE format('REFRESH MATERIALIZED VIEW %s %s',
                 CASE WHEN can_be_concurrent THEN 'CONCURRENTLY' ELSE '' END,
                 azure_devops.name_of(matview));
  PERFORM set_config('azure_devops_fdw.read_in_full', 'off', true);
END
$$;

COMMENT ON FUNCTION azure_devops.full_refresh(regclass) IS
  'Refreshes a materialized view by reading everything anew.';
