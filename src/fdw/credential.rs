//! What a role signs in with: the options of its user mapping, or the secrets that they refer to.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::options::{Pairs, find};
use crate::api::credential::{Credential, Secret, ServicePrincipal};
use crate::error::Error;

/// Where Microsoft Entra ID issues tokens for the public cloud.
const LOGIN_URL: &str = "https://login.microsoftonline.com";

/// The credential in a user mapping; `None` if it has none. `owner` is the role that the mapping
/// belongs to, for PUBLIC's the owner of the server: secrets are read with its rights.
pub fn of_mapping(
    mapping: &Pairs,
    login_url: Option<&str>,
    owner: pg_sys::Oid,
) -> Result<Option<Credential>, Error> {
    if let Some(pat) = find(mapping, "pat") {
        return Ok(sound(pat.to_owned()).map(Credential::Pat));
    }
    if let Some(reference) = find(mapping, "pat_secret") {
        return vault("pat_secret", reference, owner).map(|pat| Some(Credential::Pat(pat)));
    }
    let (Some(tenant), Some(client)) = (find(mapping, "tenant_id"), find(mapping, "client_id"))
    else {
        return Ok(None);
    };
    let secret = match (find(mapping, "client_secret"), find(mapping, "client_secret_secret")) {
        (Some(secret), _) => sound(secret.to_owned()),
        (None, Some(reference)) => Some(vault("client_secret_secret", reference, owner)?),
        (None, None) => None,
    };
    Ok(secret.map(|secret| {
        Credential::ServicePrincipal(ServicePrincipal {
            login_url: login_url.unwrap_or(LOGIN_URL).trim().trim_end_matches('/').to_owned(),
            tenant: tenant.trim().to_owned(),
            client: client.trim().to_owned(),
            secret,
        })
    }))
}

/// A secret that has something in it.
pub fn sound(secret: String) -> Option<Secret> {
    Some(Secret::new(secret)).filter(|secret| !secret.is_empty())
}

/// Reads a secret of Supabase Vault by name or id, with the rights of `role`.
fn vault(option: &'static str, reference: &str, role: pg_sys::Oid) -> Result<Secret, Error> {
    let problem = |reason| Error::NoSecret { option, secret: reference.trim().to_owned(), reason };
    let read = {
        let _acting = Acting::begin(role);
        // Qualified throughout: the role's search_path may hold anything.
        let installed = Spi::get_one::<bool>(
            "SELECT pg_catalog.to_regclass('vault.decrypted_secrets') IS NOT NULL",
        );
        match installed {
            Ok(Some(true)) => Spi::get_one_with_args::<String>(
                "SELECT decrypted_secret::pg_catalog.text FROM vault.decrypted_secrets \
                 WHERE name OPERATOR(pg_catalog.=) $1 \
                 OR id::pg_catalog.text OPERATOR(pg_catalog.=) pg_catalog.lower($1) \
                 ORDER BY name OPERATOR(pg_catalog.=) $1 DESC LIMIT 1",
                &[reference.trim().into()],
            ),
            Ok(_) => return Err(problem("the extension supabase_vault is not installed")),
            Err(error) => Err(error),
        }
    };
    match read {
        Ok(Some(secret)) => sound(secret).ok_or_else(|| problem("it is empty")),
        // Without a row pgrx reports an invalid position.
        Ok(None) | Err(pgrx::spi::Error::InvalidPosition) => {
            Err(problem("there is no such secret"))
        }
        Err(_) => Err(problem("the query failed")),
    }
}

/// The current user is another role until this is dropped, also by an ERROR that unwinds.
struct Acting {
    user: pg_sys::Oid,
    context: i32,
}

impl Acting {
    fn begin(role: pg_sys::Oid) -> Self {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: on the main thread, in a transaction; the role exists, it owns a user mapping or
        // a server. SECURITY_LOCAL_USERID_CHANGE forbids SET ROLE meanwhile.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            let local = pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
            let restricted = pg_sys::SECURITY_RESTRICTED_OPERATION as i32;
            pg_sys::SetUserIdAndSecContext(role, context | local | restricted);
        }
        Self { user, context }
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        // SAFETY: restores what `begin` found; both functions only set and read variables.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}
