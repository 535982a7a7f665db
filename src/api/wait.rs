//! Waiting for a state that others change.

use tokio::sync::Notify;

/// Looks until there is something to find, each time that `changed` is notified of a change.
pub async fn until<T>(changed: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let next = changed.notified();
        tokio::pin!(next);
        // From here on a change is not missed, also if it comes while we look.
        next.as_mut().enable();
        if let Some(found) = look() {
            return found;
        }
        next.await;
    }
}
