//! HTTP clients that a backend keeps, so that connections outlive a scan.
//!
//! A client belongs to its settings, credential included: whoever resolves the same ones may use its
//! connections, nobody else. A change of any server or user mapping drops all that are kept.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::{pg_guard, pg_sys};

use crate::api::client::{Client, Settings};
use crate::api::governor::Governor;
use crate::error::Error;

unsafe extern "C-unwind" {
    /// `utils/inval.h`, which pgrx does not bind. The same in PostgreSQL 13 to 18.
    fn CacheRegisterSyscacheCallback(
        cache: std::ffi::c_int,
        function: unsafe extern "C-unwind" fn(pg_sys::Datum, std::ffi::c_int, u32),
        argument: pg_sys::Datum,
    );
}

/// Clients that one backend keeps.
const MOST_CLIENTS: usize = 16;

/// Governors that one backend keeps. They outlive clients: what the service said stays true.
const MOST_GOVERNORS: usize = 64;

/// Set by the callback, which may run in the middle of anything.
static STALE: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CLIENTS: RefCell<Vec<Arc<Client>>> = const { RefCell::new(Vec::new()) };
    /// By a hash of collection and credential: the credential itself is not kept.
    static GOVERNORS: RefCell<Vec<(u64, Arc<Governor>)>> = const { RefCell::new(Vec::new()) };
    static HASHER: RandomState = RandomState::new();
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// The client for these settings: a kept one, or a new one.
pub fn client(settings: Settings) -> Result<Arc<Client>, Error> {
    drop_stale();
    CLIENTS.with_borrow_mut(|clients| {
        if let Some(known) = clients.iter().find(|client| *client.settings() == settings) {
            return Ok(Arc::clone(known));
        }
        let governor = governor(&settings);
        let client = Arc::new(Client::new(settings, governor)?);
        if clients.len() >= MOST_CLIENTS {
            clients.remove(0);
        }
        clients.push(Arc::clone(&client));
        Ok(client)
    })
}

fn governor(settings: &Settings) -> Arc<Governor> {
    let identity = (settings.collection.as_str(), &settings.credential);
    let identity = HASHER.with(|hasher| hasher.hash_one(identity));
    GOVERNORS.with_borrow_mut(|governors| {
        if let Some((_, known)) = governors.iter().find(|(known, _)| *known == identity) {
            return Arc::clone(known);
        }
        let governor = Arc::default();
        if governors.len() >= MOST_GOVERNORS {
            governors.remove(0);
        }
        governors.push((identity, Arc::clone(&governor)));
        governor
    })
}

/// Forgets the clients if an option has changed since. A scan under way keeps its own.
fn drop_stale() {
    if !REGISTERED.replace(true) {
        for cache in [
            pg_sys::SysCacheIdentifier::FOREIGNSERVEROID,
            pg_sys::SysCacheIdentifier::USERMAPPINGOID,
        ] {
            // SAFETY: registered once per process, and the function stays loaded with the library.
            // Called behind the guard: it fails when PostgreSQL's list of callbacks is full.
            unsafe {
                pg_sys::ffi::pg_guard_ffi_boundary(|| {
                    CacheRegisterSyscacheCallback(cache as _, changed, pg_sys::Datum::from(0));
                });
            }
        }
    }
    if STALE.swap(false, Ordering::Relaxed) {
        CLIENTS.with_borrow_mut(Vec::clear);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn changed(_argument: pg_sys::Datum, _cache: std::ffi::c_int, _hash: u32) {
    STALE.store(true, Ordering::Relaxed);
}
