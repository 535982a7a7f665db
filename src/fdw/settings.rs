//! Configuration parameters of the extension.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

static TRACE_REQUESTS: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Whether each request is shown as a NOTICE: `azure_devops_fdw.trace_requests`.
pub fn trace_requests() -> bool {
    TRACE_REQUESTS.get()
}

/// Defines the parameters; once, when the library is loaded.
pub fn define() {
    GucRegistry::define_bool_guc(
        c"azure_devops_fdw.trace_requests",
        c"Shows each request to Azure DevOps as a NOTICE.",
        c"Method, path and parameters; never a credential.",
        &TRACE_REQUESTS,
        GucContext::Userset,
        GucFlags::default(),
    );
}
