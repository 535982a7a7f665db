//! Where resources live: what Microsoft's own clients ask before their first call.

use serde_json::{Value, json};

use super::failure::{Failure, no_route};
use crate::http::request::Request;
use crate::http::response::Response;

/// Ids of the service's resource locations, as in Microsoft's MIT-licensed clients.
const LOCATIONS: [(&str, &str, &str, &str, u32); 9] = [
    (
        "e81700f7-3be2-46de-8624-2eb35882fcaa",
        "Location",
        "ResourceAreas",
        "_apis/{resource}/{areaId}",
        1,
    ),
    ("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}", 1),
    (
        "603fe2ac-9723-48b9-88ad-09305aa6c6e1",
        "core",
        "projects",
        "_apis/{resource}/{*projectId}",
        4,
    ),
    (
        "225f7195-f9c7-4d14-ab28-a83f7ff77e1f",
        "git",
        "repositories",
        "{project}/_apis/{area}/{resource}/{repositoryId}",
        2,
    ),
    (
        "a5d28130-9cd2-40fa-9f08-902e7daa9efb",
        "git",
        "pullRequests",
        "{project}/_apis/{area}/{resource}",
        2,
    ),
    (
        "01a46dea-7d46-4d40-bc84-319e7c260d99",
        "git",
        "pullRequests",
        "{project}/_apis/{area}/{resource}/{pullRequestId}",
        2,
    ),
    (
        "9946fd70-0d40-406e-b686-b4744cbbcc37",
        "git",
        "pullRequests",
        "{project}/_apis/{area}/repositories/{repositoryId}/{resource}/{pullRequestId}",
        2,
    ),
    (
        "0cd358e1-9217-4d94-8269-1c1ee6f93dcf",
        "build",
        "Builds",
        "{project}/_apis/{area}/{resource}/{buildId}",
        8,
    ),
    (
        "f828fe59-dd87-495d-a17c-7a8d6211ca6c",
        "wit",
        "workItemRevisions",
        "{project}/_apis/{area}/reporting/{resource}",
        2,
    ),
];

const AREAS: [(&str, &str); 5] = [
    ("79134c72-4a58-4b42-976c-04e7115f32bf", "core"),
    ("4e080c62-fa21-4fbc-8fef-2a10a2b38049", "git"),
    ("965220d5-5bb9-42cf-8d67-9b146df2a5a4", "build"),
    ("5264459e-e5e0-4bd8-b118-0985e68a4ec5", "wit"),
    ("efc2f575-36ef-48e9-b672-0c6fb4a48ac5", "release"),
];

/// The answer to `OPTIONS /{organization}/_apis`.
pub fn locations() -> Response {
    let location = |(id, area, resource, template, version): &(_, _, _, _, u32)| {
        json!({
            "id": id, "area": area, "resourceName": resource, "routeTemplate": template,
            "resourceVersion": version, "minVersion": "1.0", "maxVersion": "7.2",
            "releasedVersion": "7.1",
        })
    };
    let value: Vec<Value> = LOCATIONS.iter().map(location).collect();
    Response::json(200, &json!({ "count": value.len(), "value": value }))
}

/// Every area of the simulator is at the organisation's own address.
pub fn areas(
    request: &Request,
    organization: &str,
    area: &Option<String>,
) -> Result<Response, Failure> {
    let url = format!("{}/{organization}/", request.base());
    let value = |(id, name): &(&str, &str)| json!({ "id": id, "name": name, "locationUrl": url });
    let Some(wanted) = area else {
        let value: Vec<Value> = AREAS.iter().map(value).collect();
        return Ok(Response::json(200, &json!({ "count": value.len(), "value": value })));
    };
    let found = AREAS.iter().find(|(id, _)| id.eq_ignore_ascii_case(wanted));
    let found = found.ok_or_else(|| no_route("GET", "/_apis/resourceAreas"))?;
    Ok(Response::json(200, &value(found)))
}

pub fn connection_data() -> Response {
    let user = json!({
        "id": "5e0f0000-0000-4000-8000-000000000000",
        "descriptor": "Microsoft.IdentityModel.Claims.ClaimsIdentity;simulator",
        "subjectDescriptor": "aad.c2ltdWxhdG9y",
        "providerDisplayName": "Simulator", "isActive": true,
    });
    Response::json(
        200,
        &json!({
            "authenticatedUser": user, "authorizedUser": user,
            "instanceId": "5e0f0000-0000-4000-8000-0000000000ff",
            "deploymentType": "hosted", "locationServiceData": { "serviceOwner": "00025394-6065-48ca-87d9-7f5672854ef7" },
        }),
    )
}
