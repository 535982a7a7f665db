-- The foreign data wrapper, and the comments of imported tables.

CREATE FOREIGN DATA WRAPPER azure_devops_fdw
  HANDLER azure_devops.azure_devops_fdw_handler
  VALIDATOR azure_devops.azure_devops_fdw_validator;

-- IMPORT FOREIGN SCHEMA may only create tables, so their comments are written when it has ended.
CREATE FUNCTION azure_devops.comment_on_imported() RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  imported record;
  remark record;
BEGIN
  FOR imported IN
    SELECT command.objid::regclass AS relation, kind.table_name, kind.description
    FROM pg_event_trigger_ddl_commands() AS command
    JOIN pg_foreign_table AS foreign_table ON foreign_table.ftrelid = command.objid
    JOIN pg_foreign_server AS server ON server.oid = foreign_table.ftserver
    JOIN pg_foreign_data_wrapper AS wrapper ON wrapper.oid = server.srvfdw
    CROSS JOIN LATERAL pg_options_to_table(foreign_table.ftoptions) AS option
    JOIN azure_devops.tables() AS kind ON kind.table_name = option.option_value
    WHERE command.classid = 'pg_class'::regclass
      AND wrapper.fdwname = 'azure_devops_fdw'
      AND option.option_name = 'table'
  LOOP
    EXECUTE format('COMMENT ON FOREIGN TABLE %s IS %L', imported.relation, imported.description);
    FOR remark IN
      SELECT attribute.attname, known.description
      FROM pg_attribute AS attribute
      JOIN azure_devops.columns() AS known
        ON known.table_name = imported.table_name AND known.column_name = attribute.attname
      WHERE attribute.attrelid = imported.relation
        AND attribute.attnum > 0
        AND NOT attribute.attisdropped
    LOOP
      EXECUTE format('COMMENT ON COLUMN %s.%I IS %L',
                     imported.relation, remark.attname, remark.description);
    END LOOP;
  END LOOP;
END
$$;

CREATE EVENT TRIGGER azure_devops_comment_on_imported
  ON ddl_command_end
  WHEN TAG IN ('IMPORT FOREIGN SCHEMA')
  EXECUTE FUNCTION azure_devops.comment_on_imported();

GRANT USAGE ON SCHEMA azure_devops TO PUBLIC;
