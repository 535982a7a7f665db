//! What all connections share: the organisations by name, and the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::Log;
use crate::organization::Organization;
use crate::organization::specification::Specification;

#[derive(Default)]
pub struct State {
    organizations: Mutex<HashMap<String, Arc<Mutex<Organization>>>>,
    log: Mutex<Log>,
}

/// Takes a lock; a panic elsewhere must not make every later request panic too.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Makes an organisation, in the place of one with the same name (case does not matter).
    pub fn create(&self, name: &str, specification: &Specification) -> Result<(), String> {
        let organization = Arc::new(Mutex::new(Organization::new(name, specification)?));
        lock(&self.organizations).insert(name.to_lowercase(), organization);
        Ok(())
    }

    pub fn remove(&self, name: &str) -> bool {
        lock(&self.organizations).remove(&name.to_lowercase()).is_some()
    }

    pub fn find(&self, name: &str) -> Option<Arc<Mutex<Organization>>> {
        lock(&self.organizations).get(&name.to_lowercase()).cloned()
    }

    /// The organisation whose directory this is.
    pub fn of_tenant(&self, tenant: &str) -> Option<Arc<Mutex<Organization>>> {
        let organizations: Vec<_> = lock(&self.organizations).values().cloned().collect();
        organizations.into_iter().find(|organization| {
            lock(organization).entra.as_ref().is_some_and(|entra| entra.tenant == tenant)
        })
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.organizations).keys().cloned().collect();
        names.sort();
        names
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }
}
