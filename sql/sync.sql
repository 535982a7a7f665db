-- sync(): the same increments into an ordinary table, committed batch by batch with the bookmark.

ALTER TABLE azure_devops.bookmarks ADD COLUMN projects uuid[];
COMMENT ON COLUMN azure_devops.bookmarks.projects IS
  'Projects that have been read in full; the others are still to come.';

-- Locks a target against a second sync until the end of the transaction, without blocking readers or
-- writers; also shows azure_devops.save_bookmark() that the caller may write to it.
CREATE FUNCTION azure_devops.lock_target(target regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('azure_devops_fdw.sync'), target::oid::bigint::integer) THEN
    RAISE EXCEPTION 'another sync into % is running', azure_devops.name_of(target)
      USING ERRCODE = 'lock_not_available', HINT = 'Wait until it has ended; it commits as it goes.';
  END IF;
  EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', azure_devops.name_of(target));
END
$$;

CREATE FUNCTION azure_devops.save_progress(target regclass, source regclass, done uuid[], problem text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT azure_devops.save_bookmark(
      save_progress.target, save_progress.source,
      (SELECT b.watermark FROM azure_devops.bookmarks AS b
       WHERE b.target = azure_devops.name_of(save_progress.target)
         AND b.source = azure_devops.name_of(save_progress.source)),
      (SELECT b."rows" FROM azure_devops.bookmarks AS b
       WHERE b.target = azure_devops.name_of(save_progress.target))) THEN
    RAISE EXCEPTION 'only sync() may move the bookmark of %', azure_devops.name_of(save_progress.target)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE azure_devops.bookmarks AS b SET projects = done, last_error = problem
  WHERE b.target = azure_devops.name_of(save_progress.target);
END
$$;

-- The table of that name, made like the source if there is none.
CREATE FUNCTION azure_devops.sync_target(source regclass, target text, mode text, home name)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  parts text[] := parse_ident(target);
  name text := CASE cardinality(parts)
    WHEN 2 THEN format('%I.%I', parts[1], parts[2])
    WHEN 1 THEN format('%I.%I', home, parts[1])
  END;
  keys text;
BEGIN
  IF name IS NULL THEN
    RAISE EXCEPTION '"%" is not the name of a table', target USING ERRCODE = 'invalid_name';
  END IF;
  IF to_regclass(name) IS NULL THEN
    SELECT string_agg(format('%I', d.declared_name), ', ' ORDER BY d.column_name) INTO keys
    FROM azure_devops.declared_columns(source) AS d WHERE d.is_key;
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING COMMENTS, %s)', name, azure_devops.name_of(source),
      CASE mode WHEN 'append' THEN 'synced_at timestamptz NOT NULL DEFAULT clock_timestamp()'
                ELSE format('PRIMARY KEY (%s)', keys) END);
    IF mode = 'append' THEN
      EXECUTE format('CREATE INDEX ON %s (%s, synced_at)', name, keys);
    END IF;
  END IF;
  IF (SELECT c.relkind NOT IN ('r', 'p') FROM pg_class AS c WHERE c.oid = to_regclass(name)) THEN
    RAISE EXCEPTION '% is not a table', name
      USING ERRCODE = 'wrong_object_type', HINT = 'Materialized views are refreshed, not synced.';
  END IF;
  RETURN to_regclass(name);
END
$$;

-- SQL that merges the batch (column "s" of pg_temp.azure_devops_batch) into the target.
CREATE FUNCTION azure_devops.merge_sql(source regclass, target regclass, mode text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  name text := azure_devops.name_of(target);
  columns text;
  batch_columns text;
  sets text;
  stored_columns text;
  new_columns text;
  same_key text;
  conflict text;
BEGIN
  SELECT string_agg(format('%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('(b.s).%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('%1$I = EXCLUDED.%1$I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('t.%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('EXCLUDED.%I', s.attname), ', ' ORDER BY s.attnum)
    INTO columns, batch_columns, sets, stored_columns, new_columns
    FROM pg_attribute AS s JOIN pg_attribute AS t ON t.attname = s.attname
    WHERE s.attrelid = source AND t.attrelid = target
      AND s.attnum > 0 AND t.attnum > 0 AND NOT s.attisdropped AND NOT t.attisdropped
      AND t.attgenerated = '';
  SELECT string_agg(format('t.%1$I = (b.s).%1$I', d.declared_name), ' AND ')
    INTO same_key FROM azure_devops.declared_columns(source) AS d WHERE d.is_key;
  IF mode = 'append' THEN
    RETURN format(
      'INSERT INTO %1$s (%2$s)
       SELECT %3$s FROM pg_temp.azure_devops_batch AS b
       LEFT JOIN LATERAL (SELECT true AS found, t.* FROM %1$s AS t WHERE %4$s
                          ORDER BY t.synced_at DESC LIMIT 1) AS t ON true
       WHERE t.found IS NULL OR ROW(%5$s) IS DISTINCT FROM ROW(%3$s)',
      name, columns, batch_columns, same_key, stored_columns);
  END IF;
  -- A partitioned table's key has the partition key in it, too.
  SELECT (SELECT string_agg(format('%I', a.attname), ', ')
          FROM pg_attribute AS a WHERE a.attrelid = target AND a.attnum = ANY (i.indkey))
    INTO conflict
    FROM pg_index AS i
    WHERE i.indrelid = target AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (
        SELECT FROM azure_devops.declared_columns(source) AS d
        WHERE d.is_key AND NOT EXISTS (
          SELECT FROM pg_attribute AS a
          WHERE a.attrelid = target AND a.attnum = ANY (i.indkey) AND a.attname = d.declared_name))
    ORDER BY i.indnatts LIMIT 1;
  IF conflict IS NULL THEN
    RAISE EXCEPTION 'table % has no unique index on the key of %', name, azure_devops.name_of(source)
      USING ERRCODE = 'invalid_table_definition', HINT = 'Create one, or a primary key.';
  END IF;
  RETURN format(
    'INSERT INTO %s AS t (%s) SELECT %s FROM pg_temp.azure_devops_batch AS b
     ON CONFLICT (%s) DO UPDATE SET %s WHERE ROW(%s) IS DISTINCT FROM ROW(%s)',
    name, columns, batch_columns, conflict, sets, stored_columns, new_columns);
END
$$;

-- One batch: reads it, merges it, moves the bookmark. Returns what is left to do.
CREATE FUNCTION azure_devops.sync_batch(source regclass, target regclass, mode text, is_first boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  kind text := azure_devops.kind_with_key(source);
  from_source text := azure_devops.name_of(source);
  into_target text := azure_devops.name_of(target);
  keys text;
  latest_only text;
  is_empty boolean;
  bookmark azure_devops.bookmarks;
  visible uuid[];
  stored uuid[];
  latest timestamptz[];
  unfinished integer[];
  changes record;
  next_project uuid;
  merged bigint;
  token text;
  project text := azure_devops.declared_name(source, 'project_id');
  id text := azure_devops.declared_name(
    source, CASE kind WHEN 'pull_requests' THEN 'pull_request_id' ELSE 'id' END);
BEGIN
  SELECT b.* INTO bookmark FROM azure_devops.bookmarks AS b
  WHERE b.target = into_target AND b.source = from_source;
  IF is_first THEN
    -- A bookmark says nothing of a table that was emptied, or restored without its rows.
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', into_target) INTO is_empty;
    IF is_empty THEN
      bookmark := NULL;
    END IF;
  END IF;
  SELECT string_agg(format('t.%I', d.declared_name), ', ' ORDER BY d.column_name) INTO keys
  FROM azure_devops.declared_columns(source) AS d WHERE d.is_key;

  IF kind = 'work_item_revisions' THEN
    PERFORM azure_devops.start_feed(source::oid, bookmark.watermark, 20);
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS
                    SELECT DISTINCT ON (%1$s) t AS s FROM %2$s AS t', keys, from_source);
    token := coalesce(azure_devops.feed_token(source::oid), bookmark.watermark);
    IF mode <> 'append' THEN
      EXECUTE (
        SELECT format('UPDATE %s AS m SET %s FROM pg_temp.azure_devops_batch AS n
                       WHERE (n.s).%3$s = m.%3$s AND (n.s).%4$s = m.%4$s + 1',
                      into_target, string_agg(format('%I = %s', r.attribute, r.expression), ', '),
                      azure_devops.declared_name(source, 'id'), azure_devops.declared_name(source, 'rev'))
        FROM azure_devops.revised_columns(source) AS r
        WHERE EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = target AND a.attname = r.attribute AND NOT a.attisdropped)
        HAVING count(*) > 0);
    END IF;
    EXECUTE azure_devops.merge_sql(source, target, mode);
    GET DIAGNOSTICS merged = ROW_COUNT;
    PERFORM azure_devops.save_bookmark(
      target, source, token,
      CASE WHEN is_first THEN 0 ELSE coalesce(bookmark."rows", 0) END + merged);
    RETURN CASE WHEN azure_devops.feed_is_complete(source::oid) THEN NULL ELSE 'more revisions' END;
  END IF;

  changes := azure_devops.changes_sql(
    source, CASE WHEN kind IN ('builds', 'pull_requests') THEN kind ELSE 'builds' END);
  -- Without the columns that tell what may have changed, everything is read.
  IF kind NOT IN ('builds', 'pull_requests') OR changes.fresh IS NULL OR EXISTS (
    SELECT FROM azure_devops.declared_columns(source) AS d
    WHERE d.column_name IN ('status', 'project_id',
                            CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END)
      AND NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = target AND a.attname = d.declared_name AND NOT a.attisdropped)
  ) THEN
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS SELECT s FROM %s AS s',
                   from_source);
    EXECUTE azure_devops.merge_sql(source, target, mode);
    GET DIAGNOSTICS merged = ROW_COUNT;
    IF mode <> 'append' THEN
      EXECUTE format('DELETE FROM %s AS t WHERE NOT EXISTS (
                        SELECT FROM pg_temp.azure_devops_batch AS b WHERE %s)', into_target,
        (SELECT string_agg(format('(b.s).%1$I = t.%1$I', d.declared_name), ' AND ')
         FROM azure_devops.declared_columns(source) AS d WHERE d.is_key));
    END IF;
    PERFORM azure_devops.save_bookmark(target, source, NULL, merged);
    RETURN NULL;
  END IF;

  visible := ARRAY(SELECT azure_devops.visible_projects(source::oid));
  IF is_first THEN
    -- What is known already is brought up to date, in one batch.
    latest_only := CASE mode WHEN 'append' THEN
      format('(SELECT DISTINCT ON (%1$s) t.* FROM %2$s AS t ORDER BY %1$s, t.synced_at DESC)', keys, into_target)
      ELSE into_target END;
    SELECT s.projects, s.latest, s.unfinished INTO stored, latest, unfinished
      FROM azure_devops.stored_state(source, latest_only, kind) AS s;
    PERFORM azure_devops.start_lists(
      source::oid, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END, stored, latest);
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS
                    WITH %s SELECT f.s FROM fresh AS f', changes.fresh)
      USING ARRAY(SELECT unnest(visible) INTERSECT SELECT unnest(bookmark.projects)),
            '{}'::uuid[], unfinished,
            coalesce((SELECT min(l) FROM unnest(latest) AS l), '2000-01-01Z');
    IF mode <> 'append' THEN
      EXECUTE format('DELETE FROM %1$s AS t
                      WHERE t.%2$s <> ALL ($1)
                         OR (t.%3$s = ANY ($2) AND t.%2$s = ANY ($3) AND NOT EXISTS (
                              SELECT FROM pg_temp.azure_devops_batch AS b WHERE (b.s).%3$s = t.%3$s))',
                     into_target, project, id)
        USING visible, unfinished, bookmark.projects;
    END IF;
  ELSE
    SELECT v INTO next_project FROM unnest(visible) AS v
    WHERE v <> ALL (coalesce(bookmark.projects, '{}')) ORDER BY v LIMIT 1;
    IF next_project IS NULL THEN
      RETURN NULL;
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS
                    SELECT s FROM %s AS s WHERE s.%s = $1', from_source, project)
      USING next_project;
    IF mode <> 'append' THEN
      -- After a reset there may be rows of builds that are gone.
      EXECUTE format('DELETE FROM %1$s AS t WHERE t.%2$s = $1 AND NOT EXISTS (
                        SELECT FROM pg_temp.azure_devops_batch AS b WHERE (b.s).%3$s = t.%3$s)',
                     into_target, project, id)
        USING next_project;
    END IF;
  END IF;
  EXECUTE azure_devops.merge_sql(source, target, mode);
  GET DIAGNOSTICS merged = ROW_COUNT;
  PERFORM azure_devops.save_bookmark(
    target, source, (SELECT max(l)::text FROM unnest(latest) AS l),
    CASE WHEN is_first THEN 0 ELSE coalesce(bookmark."rows", 0) END + merged);
  PERFORM azure_devops.save_progress(
    target, source,
    ARRAY(SELECT unnest(bookmark.projects) INTERSECT SELECT unnest(visible)
          UNION SELECT next_project WHERE next_project IS NOT NULL),
    'not ended yet');
  RETURN format('%s of %s projects', (
    SELECT count(*) FROM azure_devops.bookmarks AS b, unnest(b.projects) WHERE b.target = into_target),
    cardinality(visible));
END
$$;

CREATE PROCEDURE azure_devops.sync(source regclass, target text, mode text DEFAULT 'upsert')
LANGUAGE plpgsql
-- No SET clause: it would forbid COMMIT. Every name is qualified, and the path set batch by batch.
AS $$
#variable_conflict use_variable
DECLARE
  home name := pg_catalog.current_schema();
  target_table regclass;
  "left" text := '';
  is_first boolean := true;
  begun timestamptz := pg_catalog.clock_timestamp();
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF mode NOT IN ('upsert', 'append') THEN
    RAISE EXCEPTION 'mode "%" is not known', mode
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes: upsert, append.';
  END IF;
  PERFORM azure_devops.kind_with_key(source);
  target_table := azure_devops.sync_target(source, target, mode, home);
  PERFORM azure_devops.lock_target(target_table);
  -- A failure takes its transaction with it, so the mark is set before and taken away at the end.
  PERFORM azure_devops.save_progress(
    target_table, source,
    (SELECT b.projects FROM azure_devops.bookmarks AS b
     WHERE b.target = azure_devops.name_of(target_table) AND b.source = azure_devops.name_of(source)),
    pg_catalog.format('the run that began at %s has not ended', begun));
  COMMIT;
  WHILE "left" IS NOT NULL LOOP
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM azure_devops.lock_target(target_table);
    "left" := azure_devops.sync_batch(source, target_table, mode, is_first);
    is_first := false;
    IF "left" IS NOT NULL THEN
      IF clock_timestamp() - begun > interval '5 seconds' THEN
        RAISE NOTICE 'sync into %: %', azure_devops.name_of(target_table), "left";
      END IF;
    ELSE
      PERFORM azure_devops.save_progress(
        target_table, source,
        (SELECT b.projects FROM azure_devops.bookmarks AS b
         WHERE b.target = azure_devops.name_of(target_table)), NULL);
    END IF;
    COMMIT;
  END LOOP;
END
$$;

COMMENT ON PROCEDURE azure_devops.sync(regclass, text, text) IS
  'Copies a foreign table into an ordinary one, and from then on only what changed; commits batch by batch.';

-- Makes the next sync or refresh of a target read everything anew.
CREATE FUNCTION azure_devops.reset(target regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT pg_has_role(session_user, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = reset.target), 'MEMBER') THEN
    RAISE EXCEPTION 'must be owner of %', azure_devops.name_of(reset.target)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM azure_devops.bookmarks AS b WHERE b.target = azure_devops.name_of(reset.target);
END
$$;

COMMENT ON FUNCTION azure_devops.reset(regclass) IS
  'Forgets how far a target has been read, so that the next run starts over.';
