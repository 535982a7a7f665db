//! Where a table's elements come from: path, fan-out, streams and paging.

/// An API version as the service writes it, major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16);

/// One list resource of the REST API.
#[derive(Debug)]
pub struct Endpoint {
    /// Part of the cloud service that has it, where that has a host of its own, e.g. `vssps` for
    /// Graph or `vsrm` for releases; `None`: the main one.
    pub host: Option<&'static str>,
    /// Path below the collection, or below the project where there is one; begins with `/_apis`.
    pub path: &'static str,
    /// Whether the list is per project.
    pub parent: Parent,
    /// Member that holds the elements: `value` or `values`.
    pub elements: &'static str,
    /// How further pages are asked for.
    pub paging: Paging,
    /// Elements asked for at once when neither option nor LIMIT says otherwise.
    pub page_size: u32,
    /// Parameter that asks for the page size; `None`: the list is not paged.
    pub page_size_parameter: Option<&'static str>,
    /// Parameters that are always sent, unless a condition sets them.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Parts of the list that are read one after the other because the service cannot page them
    /// together. Empty: one list.
    pub streams: &'static [&'static Stream],
    /// Parameters of a request by ids ([`super::column::Push::Ids`]), instead of a stream's.
    pub by_id: &'static [(&'static str, &'static str)],
    /// Ids in one request by ids.
    pub batch: usize,
    /// What the list leaves out unless asked.
    pub on_demand: Option<OnDemand>,
    /// How the list is asked for some members of its elements only.
    pub projection: Option<Projection>,
}

/// A list that sends only the members that a parameter names.
#[derive(Debug)]
pub struct Projection {
    /// Parameter, a comma-separated list of names.
    pub parameter: &'static str,
    /// The members stand below this JSON pointer; all others are always sent.
    pub below: &'static str,
    /// Members that are asked for in any case.
    pub always: &'static [&'static str],
    /// A longer URL is sent as a POST with these parameters in its body, the lists as arrays.
    pub post_from: usize,
    /// Parameters that a POST has in its body, and whether each is a list.
    pub body: &'static [(&'static str, BodyKind)],
    /// Parameters that a POST does not have.
    pub get_only: &'static [&'static str],
}

/// How a parameter is written in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// `true` or `false`
    Flag,
    /// An array of strings
    List,
}

/// Values that a list holds only if a parameter asks for them.
#[derive(Debug)]
pub struct OnDemand {
    /// They stand below this JSON pointer, among others that have columns in the catalogue: a
    /// wanted value here that has none may be one of them.
    pub below: &'static str,
    /// Parameter that asks for them, with its value.
    pub parameter: (&'static str, &'static str),
}

/// Whether a list needs a project in its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// One list for the organisation; the path has no project.
    Organization,
    /// One list for the organisation, which a project can narrow.
    OptionalProject,
    /// One list per project: a scan visits every wellFormed project that the conditions leave.
    Project,
}

/// A part of a list, chosen by the value of the column with [`super::column::Push::Stream`].
#[derive(Debug)]
pub struct Stream {
    /// Parameter that chooses the part.
    pub parameter: &'static str,
    /// Values of the column that the part holds; sent comma-separated.
    pub values: &'static [&'static str],
    /// Part of the table's rows that it holds, from 0 to 1; a guess for the planner.
    pub share: f64,
    /// Elements can leave this part and enter an earlier one while it is being read: after a part of
    /// more than one page the earlier ones are read again.
    pub leaks: bool,
}

/// How a list is continued. Described in the API notes per resource.
#[derive(Debug, Clone, Copy)]
pub enum Paging {
    /// Everything in one answer.
    Single,
    /// `x-ms-continuationtoken` header, sent back as `continuationToken`; absent on the last page.
    Token,
    /// In the order of a time: each page starts a little before the last time seen. The token is
    /// used only where a page holds a single instant, because at ties it repeats or skips elements.
    Time {
        /// Column with [`super::column::Push::Range`] that orders the list when no condition does.
        column: &'static str,
    },
    /// `$skip`, newest first: each page overlaps the last one, and one that does not is read again
    /// from further up, because the list moved.
    Overlap {
        /// Parameter that skips elements.
        skip: &'static str,
        /// Column with [`super::column::Push::Range`] whose latest values come first.
        newest_first: &'static str,
    },
    /// `isLastBatch`, with a token in the body or in `nextLink`.
    Feed {
        /// Parameters of the first request only; the token takes their place.
        first_only: &'static [&'static str],
    },
}
