//! Executor callbacks: from the plan to a running scan, and its rows into slots.

use std::sync::{Arc, OnceLock};

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, pg_guard};

use super::datum::{self, Converter};
use super::io::Stream;
use super::plan_data::{Comparison, PlanData, PushedClause};
use super::progress::Reporter;
use super::relation::Relation;
use super::report::{ok_or_error, tell};
use super::wanted::{lower_bounds, members};
use super::{feed, overlap, server, settings};
use crate::api::usage::Usage;
use crate::error::Error;
use crate::scan::condition::{Condition, Op, Value};
use crate::scan::decode::Decoder;
use crate::scan::decode::page::Page;
use crate::scan::plan::plan;
use crate::scan::stream::{Event, Progress, Project, Scan};

/// A scan of the executor. Lives in the query's memory context and is dropped with it, whether the
/// query ends well, fails or is cancelled.
#[derive(Debug)]
pub struct ScanState {
    node: *mut pg_sys::ForeignScanState,
    relation: Relation,
    data: PlanData,
    /// Role that the query runs as: the owner of a view, else the current user.
    user: pg_sys::Oid,
    converters: Vec<Converter>,
    expressions: *mut pg_sys::List,
    stream: Option<Stream>,
    page: Option<Page>,
    row: usize,
    ended: bool,
    /// Kept over rescans, so that a join lists the projects once.
    known_projects: Arc<OnceLock<Vec<Project>>>,
    /// How far the current scan is.
    progress: Arc<Progress>,
    reporter: Reporter,
    /// What the scan has cost, over all rescans.
    pub usage: Arc<Usage>,
    /// Pages received.
    pub pages: u64,
    /// Rows received, before PostgreSQL's recheck.
    pub rows: u64,
}

/// Prepares a scan. Sends nothing: the first row may never be asked for.
#[pg_guard]
pub unsafe extern "C-unwind" fn begin_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
    flags: std::ffi::c_int,
) {
    if flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0 {
        return;
    }
    // SAFETY: the executor's own node; its plan is a ForeignScan that get_foreign_plan made. The
    // query's context is current, so lookups kept by converters live as long as the state.
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let estate = (*node).ss.ps.state;
        let table = (*(*node).ss.ss_currentRelation).rd_id;
        let relation = ok_or_error(Relation::load(table));
        let data = ok_or_error(PlanData::from_list((*plan).fdw_private));
        let mut context = PgMemoryContexts::For((*estate).es_query_cxt);
        let before = pg_sys::MemoryContextSwitchTo(context.value());
        let converters = data
            .attributes
            .iter()
            .filter_map(|number| relation.attribute(*number))
            .map(|attribute| Converter::new(attribute, &relation.name))
            .collect();
        let expressions = pg_sys::ExecInitExprList((*plan).fdw_exprs, node.cast());
        let state = ScanState {
            node,
            relation,
            data,
            user: running_as(plan, estate),
            converters,
            expressions,
            stream: None,
            page: None,
            row: 0,
            ended: false,
            known_projects: Arc::default(),
            progress: Arc::default(),
            reporter: Reporter::default(),
            usage: Arc::default(),
            pages: 0,
            rows: 0,
        };
        (*node).fdw_state = context.leak_and_drop_on_delete(state).cast();
        overlap::remember(node);
        pg_sys::MemoryContextSwitchTo(before);
    }
}

/// The role whose credential is used, as postgres_fdw chooses it.
unsafe fn running_as(plan: *mut pg_sys::ForeignScan, estate: *mut pg_sys::EState) -> pg_sys::Oid {
    // SAFETY: the executor's own structs; the scan's relid is an index into its range table.
    unsafe {
        #[cfg(any(feature = "pg13", feature = "pg14", feature = "pg15"))]
        let user = {
            let index = (*plan).scan.scanrelid as i32 - 1;
            let entry = pg_sys::list_nth((*estate).es_range_table, index);
            (*entry.cast::<pg_sys::RangeTblEntry>()).checkAsUser
        };
        #[cfg(not(any(feature = "pg13", feature = "pg14", feature = "pg15")))]
        let user = {
            let _ = estate;
            (*plan).checkAsUser
        };
        if user == pg_sys::InvalidOid { pg_sys::GetUserId() } else { user }
    }
}

/// Returns the next row in the node's slot; an empty slot at the end.
#[pg_guard]
pub unsafe extern "C-unwind" fn iterate_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, begun by begin_foreign_scan; nobody else holds its state.
    unsafe {
        let slot = (*node).ss.ss_ScanTupleSlot;
        clear(slot);
        let state = &mut *(*node).fdw_state.cast::<ScanState>();
        if state.stream.is_none() && !state.ended {
            ok_or_error(state.start(node));
            start_companions(node);
        }
        if !ok_or_error(state.advance()) {
            return slot;
        }
        ok_or_error(state.fill(slot));
        pg_sys::ExecStoreVirtualTuple(slot)
    }
}

/// `ExecClearTuple`, which is inline in C.
unsafe fn clear(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: every slot has its operations; the pointer is PostgreSQL's own function, so it is
    // called behind the guard. The closure holds nothing that would need dropping.
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            pg_sys::ffi::pg_guard_ffi_boundary(|| clear(slot));
        }
    }
}

/// Starts over, with right-hand sides evaluated anew.
#[pg_guard]
pub unsafe extern "C-unwind" fn rescan_foreign_scan(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the executor's own node.
    if let Some(state) = unsafe { (*node).fdw_state.cast::<ScanState>().as_mut() } {
        state.stop();
        state.ended = false;
    }
}

/// Ends the scan. Memory goes with the query's context.
#[pg_guard]
pub unsafe extern "C-unwind" fn end_foreign_scan(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the executor's own node; null under EXPLAIN.
    if let Some(state) = unsafe { (*node).fdw_state.cast::<ScanState>().as_mut() } {
        state.stop();
    }
}

/// Begins the other scans of the query that will be read too.
unsafe fn start_companions(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: the caller's node; the others are begun scans of the same query, each with a state of
    // its own that nobody holds.
    unsafe {
        for other in overlap::companions(node) {
            let Some(state) = (*other).fdw_state.cast::<ScanState>().as_mut() else { continue };
            // What refresh told the next scan is for one that is asked for a row.
            if state.stream.is_none() && !state.ended && !feed::is_told(state.relation.oid) {
                ok_or_error(state.start(other));
            }
        }
    }
}

impl Drop for ScanState {
    fn drop(&mut self) {
        overlap::forget(self.node);
    }
}

impl ScanState {
    /// Begins to send requests.
    unsafe fn start(&mut self, node: *mut pg_sys::ForeignScanState) -> Result<(), Error> {
        // SAFETY: the caller's node.
        let scan = unsafe { self.prepare(node) }?;
        self.progress = Arc::clone(&scan.progress);
        self.stream = Some(Stream::start(Arc::new(scan))?);
        Ok(())
    }

    fn stop(&mut self) {
        self.stream = None;
        self.page = None;
        self.row = 0;
    }

    /// Moves to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            if let Some(page) = &self.page {
                if self.row < page.rows() {
                    self.row += 1;
                    return Ok(true);
                }
                self.page = None;
            }
            if self.ended {
                return Ok(false);
            }
            self.reporter.tell(&self.relation.name, self.rows, &self.progress, &self.usage);
            let Some(stream) = &mut self.stream else {
                return Err(Error::Internal { what: "a scan was read before it began" });
            };
            let Some(event) = stream.receive_until(self.reporter.due())? else { continue };
            match event {
                Event::Page(page) => {
                    self.pages += 1;
                    self.rows += page.rows() as u64;
                    self.page = Some(page);
                    self.row = 0;
                }
                Event::Request(request) => tell(PgLogLevel::NOTICE, request, None),
                Event::Warning(warning) => tell(PgLogLevel::WARNING, warning, None),
                Event::End { token, complete } => {
                    self.stop();
                    self.ended = true;
                    feed::ended(self.relation.oid, feed::End { token, complete });
                }
            }
        }
    }

    /// Evaluates the right-hand sides and plans the requests.
    unsafe fn prepare(&self, node: *mut pg_sys::ForeignScanState) -> Result<Scan, Error> {
        let server = server::resolve(self.relation.server, self.user)?;
        let mut conditions = Vec::new();
        for clause in &self.data.clauses {
            // SAFETY: the caller's node, begun with this state's expressions.
            if let Some(condition) = unsafe { self.condition(node, clause) } {
                conditions.push(condition);
            }
        }
        if let Some(batch) = &self.data.batch {
            // SAFETY: the caller's node, whose plan this state was made from.
            conditions.extend(unsafe { super::batch::condition(node, &self.relation, batch) });
        }
        let table = self.relation.table;
        let wanted = || self.data.attributes.iter().filter_map(|n| self.relation.attribute(*n));
        let on_demand = table.endpoint.on_demand.as_ref().is_some_and(|on_demand| {
            wanted().any(|a| a.column.is_none() && a.pointer.starts_with(on_demand.below))
        });
        let columns: Vec<(String, String)> =
            wanted().map(|attribute| (attribute.name.clone(), attribute.pointer.clone())).collect();
        let key: Vec<String> = table.key_columns().map(|column| column.pointer()).collect();
        let start = feed::take_start(self.relation.oid);
        let decoder = Decoder::new(&self.relation.name, &columns, &key);
        Ok(Scan {
            on_demand,
            members: members(table, wanted().map(|attribute| attribute.pointer.as_str()))
                .filter(|_| !on_demand),
            since: feed::since(self.relation.oid)
                .and_then(|since| lower_bounds(table, &conditions, &since)),
            feed_from: start.token,
            feed_pages: start.pages,
            project: self.relation.project.clone(),
            concurrency: server.concurrency,
            page_size: server.page_size,
            limit: self.data.limit,
            skip_inaccessible: server.skip_inaccessible,
            trace: settings::trace_requests(),
            usage: Arc::clone(&self.usage),
            known_projects: Arc::clone(&self.known_projects),
            ..Scan::new(table, plan(table, &conditions, server.version), decoder, server.client)
        })
    }

    /// A clause with its right-hand side evaluated; `None` if it cannot narrow anything.
    unsafe fn condition(
        &self,
        node: *mut pg_sys::ForeignScanState,
        clause: &PushedClause,
    ) -> Option<Condition> {
        let column = self.relation.attribute(clause.attribute)?.column?;
        let op = datum::op(clause.comparison);
        if clause.expressions.is_empty() {
            let value = Value::Boolean(clause.comparison == Comparison::True);
            let values = if op == Op::NotNull { Vec::new() } else { vec![value] };
            return Some(Condition { column, op, values });
        }
        let mut values = Vec::new();
        let mut empty_array = false;
        for index in &clause.expressions {
            // SAFETY: the list holds one ExprState per expression of the plan; the context is the
            // node's own; the datum is of the expression's type.
            unsafe {
                let expression = pg_sys::list_nth(self.expressions, *index as i32);
                let expression = expression.cast::<pg_sys::ExprState>();
                let (datum, null) = evaluate(expression, (*node).ss.ps.ps_ExprContext);
                if null {
                    // The operators are strict: compared with NULL nothing is true.
                    continue;
                }
                let oid = pg_sys::exprType((*expression).expr.cast());
                match pg_sys::get_element_type(oid) {
                    pg_sys::InvalidOid => values.push(datum::value(datum, oid)?),
                    element => {
                        let elements = datum::array_values(datum, element)?;
                        empty_array |= elements.is_empty();
                        values.extend(elements);
                    }
                }
            }
        }
        // Every array holds the elements of an empty one.
        let always = op == Op::Contains && empty_array;
        (!always).then_some(Condition { column, op, values })
    }

    /// Writes the current row into the slot.
    unsafe fn fill(&mut self, slot: *mut pg_sys::TupleTableSlot) -> Result<(), Error> {
        let Some(page) = &self.page else {
            return Err(Error::Internal { what: "there is no row to return" });
        };
        // SAFETY: a scan slot has room for all columns of its descriptor, and converters are made
        // for columns of that descriptor only. Datums are made in the per-tuple context, which the
        // executor has made current.
        unsafe {
            let count = (*(*slot).tts_tupleDescriptor).natts as usize;
            let nulls = std::slice::from_raw_parts_mut((*slot).tts_isnull, count);
            let values = std::slice::from_raw_parts_mut((*slot).tts_values, count);
            nulls.fill(true);
            for (index, converter) in self.converters.iter_mut().enumerate() {
                let json = page.value(self.row - 1, index);
                if let Some(datum) = converter.datum(json)? {
                    let position = converter.attribute() as usize - 1;
                    values[position] = datum;
                    nulls[position] = false;
                }
            }
        }
        Ok(())
    }
}

/// `ExecEvalExpr`, which is inline in C.
unsafe fn evaluate(
    expression: *mut pg_sys::ExprState,
    context: *mut pg_sys::ExprContext,
) -> (pg_sys::Datum, bool) {
    let mut null = false;
    // SAFETY: an initialised expression has its function; it is PostgreSQL's own, so it is called
    // behind the guard, and the closure holds nothing that would need dropping.
    unsafe {
        match (*expression).evalfunc {
            Some(function) => {
                let isnull: *mut bool = &mut null;
                let datum =
                    pg_sys::ffi::pg_guard_ffi_boundary(|| function(expression, context, isnull));
                (datum, null)
            }
            None => (pg_sys::Datum::from(0), true),
        }
    }
}
