//! Configuration parameters of the extension.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

static PROGRESS: GucSetting<bool> = GucSetting::<bool>::new(false);
static TRACE_REQUESTS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Whether a long scan says every few seconds how far it is: `azure_devops_fdw.progress`.
pub fn progress() -> bool {
    PROGRESS.get()
}

/// Whether each request is shown as a NOTICE: `azure_devops_fdw.trace_requests`.
pub fn trace_requests() -> bool {
    TRACE_REQUESTS.get()
}

/// Defines the parameters; once, when the library is loaded.
pub fn define() {
    GucRegistry::define_bool_guc(
        c"azure_devops_fdw.progress",
        c"Shows every few seconds as a NOTICE how far a scan is.",
        c"Projects, rows, requests, megabytes, and the seconds that the service made it wait.",
        &PROGRESS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"azure_devops_fdw.trace_requests",
        c"Shows each request to Azure DevOps as a NOTICE.",
        c"Method, path and parameters; never a credential.",
        &TRACE_REQUESTS,
        GucContext::Userset,
        GucFlags::default(),
    );
}
