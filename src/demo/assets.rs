//! The files of the demo's pages.

use crate::http::page::Asset;

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What the clinic's page loads.
pub const CLINIC: &[Asset] = &[
    Asset { name: "demo.css", media: CSS, text: include_str!("../browser/demo/demo.css") },
    Asset { name: "demo.js", media: JAVASCRIPT, text: include_str!("../browser/demo/demo.js") },
    Asset { name: "kit.js", media: JAVASCRIPT, text: include_str!("../browser/demo/kit.js") },
    Asset { name: "scenes.js", media: JAVASCRIPT, text: include_str!("../browser/demo/scenes.js") },
    Asset { name: "attacks.js", media: JAVASCRIPT, text: include_str!("../browser/demo/attacks.js") },
    Asset { name: "widget.js", media: JAVASCRIPT, text: include_str!("../browser/demo/widget.js") },
    Asset { name: "webchat.js", media: JAVASCRIPT, text: include_str!("../browser/demo/webchat.js") },
    Asset { name: "sample.js", media: JAVASCRIPT, text: include_str!("../browser/demo/sample.js") },
    Asset { name: "vendors.js", media: JAVASCRIPT, text: include_str!("../browser/demo/vendors.js") },
    Asset { name: "standins.js", media: JAVASCRIPT, text: include_str!("../browser/demo/standins.js") },
    Asset { name: "icon.svg", media: "image/svg+xml", text: include_str!("../browser/icon.svg") },
];

/// What the foreign page loads.
pub const STRANGER: &[Asset] = &[
    Asset { name: "demo.css", media: CSS, text: include_str!("../browser/demo/demo.css") },
    Asset { name: "stranger.js", media: JAVASCRIPT, text: include_str!("../browser/demo/stranger.js") },
];
