//! The browser module as pages load it.

use countersign::http::script::SCRIPTS;
use data_encoding::BASE64;
use http::{Method, Request, StatusCode};

use crate::kit::{Answer, House};

async fn get(house: &House, path: &str) -> Answer {
    house.ask(Request::get(path)).await
}

#[tokio::test]
async fn any_page_may_load_the_module_and_check_it() {
    let house = House::behind_proxy(&[]);
    for (path, media) in [
        ("/countersign.js", "text/javascript; charset=utf-8"),
        ("/chat-identity/countersign.js", "text/javascript; charset=utf-8"),
        ("/countersign.classic.js", "text/javascript; charset=utf-8"),
        ("/countersign.d.ts", "application/typescript; charset=utf-8"),
    ] {
        let answer = get(&house, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), media, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("set-cookie").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn the_module_is_one_and_the_classic_script_is_none() {
    let house = House::behind_proxy(&[]);
    let module = get(&house, "/countersign.js").await.text;
    assert!(module.contains("\nexport { createTokenSource"), "{module}");
    let classic = get(&house, "/countersign.classic.js").await.text;
    assert!(classic.starts_with("(() => {\"use strict\";\n") && classic.ends_with("})();\n"));
    assert!(classic.contains("globalThis.countersign = Object.freeze({ createTokenSource"));
    assert!(classic.contains("const home = document.currentScript?.src;"));
    for text in [&module, &classic] {
        assert!(!text.lines().any(|line| line.is_empty() || line.starts_with("//") || line.starts_with(' ')));
    }
    assert!(!classic.contains("import.meta") && !classic.contains("\nexport "));
}

#[tokio::test]
async fn an_address_that_names_its_content_never_changes_it() {
    let house = House::behind_proxy(&[]);
    for script in SCRIPTS.iter() {
        let Some(versioned) = &script.versioned else { continue };
        let answer = get(&house, &format!("/{versioned}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.text, get(&house, &format!("/{}", script.name)).await.text);
    }
    let other = get(&house, "/countersign-0000000000000000.js").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "content that is gone is not replaced by other content");
}

#[tokio::test]
async fn the_integrity_that_check_prints_is_that_of_the_served_text() {
    let house = House::behind_proxy(&[]);
    for script in SCRIPTS.iter() {
        let text = get(&house, &format!("/{}", script.name)).await.text;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, text.as_bytes());
        let own = BASE64.encode(digest.as_ref());
        assert_eq!(script.integrity, format!("sha384-{own}"));
    }
}

#[tokio::test]
async fn a_copy_that_is_still_good_is_not_sent_again() {
    let house = House::behind_proxy(&[]);
    let first = get(&house, "/countersign.js").await;
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = house.ask(Request::get("/countersign.js").header("if-none-match", &known)).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{known}");
        assert!(again.text.is_empty());
        assert_eq!(again.header("etag"), tag);
        assert_eq!(again.header("cache-control"), first.header("cache-control"));
    }
    let changed = house.ask(Request::get("/countersign.js").header("if-none-match", "\"other\"")).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn a_script_is_read_only() {
    let house = House::behind_proxy(&[]);
    let answer = house.ask(Request::builder().method(Method::POST).uri("/countersign.js")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "GET, HEAD");
}
