//! `/openapi.json`: the public side, described from the route table in force (`OpenAPI` 3.1).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::http::routes::Route;
use crate::http::state::Snapshot;

/// The whole description.
pub(super) fn describe(snapshot: &Snapshot) -> Value {
    let routes: BTreeMap<&str, Route> = snapshot.routes.iter().collect();
    let paths: Map<String, Value> =
        routes.into_iter().map(|(path, route)| (path.to_owned(), path_item(snapshot, path, route))).collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "countersign", "version": env!("CARGO_PKG_VERSION"), "summary": "Proofs of identity for embedded chat" },
        "paths": paths,
        "components": { "schemas": { "Problem": problem() } },
    })
}

fn path_item(snapshot: &Snapshot, path: &str, route: Route) -> Value {
    let methods = route.methods(&snapshot.token).split(", ").map(|method| {
        let method = method.to_ascii_lowercase();
        let operation = operation(snapshot, path, &method, route);
        (method, operation)
    });
    Value::Object(methods.collect())
}

fn operation(snapshot: &Snapshot, path: &str, method: &str, route: Route) -> Value {
    let widget = route.widget().and_then(|at| snapshot.widgets.at(at)).map(|widget| widget.name.as_str());
    let summary = match widget {
        Some(widget) => format!("{} of the widget {widget}", summary(route)),
        None => summary(route).to_owned(),
    };
    let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    let bodiless = method == "options" || method == "head";
    let media = if bodiless { &[][..] } else { media(route) };
    let content: Map<String, Value> = media.iter().map(|media| ((*media).to_owned(), json!({}))).collect();
    let mut failed = Map::from_iter([("application/problem+json".to_owned(), problem)]);
    if route.kind() == "login" {
        failed.extend(content.clone());
    }
    let mut operation = json!({
        "operationId": format!("{method}{}", path.replace(['/', '.', '-'], "_")),
        "summary": summary,
        "tags": [route.kind()],
        "responses": {
            (if method == "options" { "204" } else { "200" }): { "description": "Done", "content": content },
            "default": { "description": "Not done, and why; or elsewhere, or unchanged", "content": failed },
        },
    });
    if let Route::Refresh { .. } = route
        && method == "post"
    {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": refresh() } } });
    }
    if let Route::Introspect { .. } = route {
        operation["requestBody"] = json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": introspection() } } });
    }
    operation
}

fn introspection() -> Value {
    json!({ "type": "object", "required": ["token"], "properties": { "token": { "type": "string" } } })
}

fn summary(route: Route) -> &'static str {
    match route.kind() {
        "token" => "The token",
        "refresh" => "The renewed vendor's token",
        "introspect" => "Whether a token counts (RFC 7662)",
        "session" => "Who is logged in",
        "jwks" | "public_keys" => "The public keys",
        "script" => "The browser module",
        _ => "A page of the login",
    }
}

fn media(route: Route) -> &'static [&'static str] {
    match route.kind() {
        "token" => &["application/json", "application/jwt", "text/plain"],
        "refresh" | "session" | "introspect" => &["application/json"],
        "jwks" => &["application/jwk-set+json", "application/json"],
        "public_keys" => &["application/json", "text/plain"],
        "script" => &["text/javascript"],
        _ => &["text/html", "text/javascript", "text/css", "application/json"],
    }
}

fn refresh() -> Value {
    json!({
        "type": "object", "required": ["connectorToken", "renewal"],
        "properties": { "connectorToken": { "type": "string" }, "renewal": { "type": "string" } },
    })
}

/// RFC 9457, with our stable code.
fn problem() -> Value {
    json!({
        "type": "object", "required": ["type", "title", "status", "code"],
        "properties": {
            "type": { "type": "string" }, "title": { "type": "string" },
            "status": { "type": "integer" }, "code": { "type": "string" },
        },
    })
}
