//! The framework's shell: handler, validator and import; every planner and executor callback is ours.
//!
//! The framework's own scan path keeps a raw pointer in the plan and cannot be cancelled, so
//! [`ForeignDataWrapper::fdw_routine_hook`] replaces it. The DML callbacks are removed: PostgreSQL
//! then refuses changes with its standard error.

use pgrx::prelude::*;
use pgrx::{AllocatedByRust, pg_sys};
use supabase_wrappers::prelude::*;

use super::report::Problem;
use super::{executor, explain, import, options, paths, planner};
use crate::error::Error;

/// The foreign data wrapper. Holds nothing: state belongs to scans.
#[wrappers_fdw(
    version = "0.2.0",
    author = "azure_devops_fdw contributors",
    website = "https://github.com/azure-devops-fdw/azure_devops_fdw",
    error_type = "Problem"
)]
#[derive(Debug)]
pub struct AzureDevopsFdw;

impl ForeignDataWrapper<Problem> for AzureDevopsFdw {
    fn new(_server: ForeignServer) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn begin_scan(
        &mut self,
        _quals: &[Qual],
        _columns: &[Column],
        _sorts: &[Sort],
        _limit: &Option<Limit>,
        _options: &std::collections::HashMap<String, String>,
    ) -> Result<(), Problem> {
        Err(unreachable_callback())
    }

    fn iter_scan(&mut self, _row: &mut Row) -> Result<Option<()>, Problem> {
        Err(unreachable_callback())
    }

    fn end_scan(&mut self) -> Result<(), Problem> {
        Err(unreachable_callback())
    }

    fn import_foreign_schema(
        &mut self,
        statement: ImportForeignSchemaStmt,
    ) -> Result<Vec<String>, Problem> {
        Ok(import::statements(&statement)?)
    }

    fn fdw_routine_hook(routine: &mut supabase_wrappers::FdwRoutine<AllocatedByRust>) {
        routine.GetForeignRelSize = Some(planner::get_foreign_rel_size);
        routine.GetForeignPaths = Some(paths::get_foreign_paths);
        routine.GetForeignPlan = Some(planner::get_foreign_plan);
        routine.GetForeignUpperPaths = None;
        routine.BeginForeignScan = Some(executor::begin_foreign_scan);
        routine.IterateForeignScan = Some(executor::iterate_foreign_scan);
        routine.ReScanForeignScan = Some(executor::rescan_foreign_scan);
        routine.EndForeignScan = Some(executor::end_foreign_scan);
        routine.ExplainForeignScan = Some(explain::explain_foreign_scan);
        routine.AddForeignUpdateTargets = None;
        routine.PlanForeignModify = None;
        routine.BeginForeignModify = None;
        routine.ExecForeignInsert = None;
        routine.ExecForeignDelete = None;
        routine.ExecForeignUpdate = None;
        routine.EndForeignModify = None;
    }

    fn validator(list: Vec<Option<String>>, catalog: Option<pg_sys::Oid>) -> Result<(), Problem> {
        Ok(options::validate(&list, catalog)?)
    }
}

fn unreachable_callback() -> Problem {
    Error::Internal { what: "a callback of the framework's scan path was reached" }.into()
}

/// Runs when the library is loaded.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    super::settings::define();
}
