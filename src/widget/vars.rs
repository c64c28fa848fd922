//! The settings of a widget that are neither its keys, its rules, nor its connector's.

crate::settings! {
    pub vars VARS {
        WIDGETS("", "support,clinic"),
            "Names of the widgets when there are several; each then reads WIDGET_<NAME>_... The first answers at /token.";
        WIDGET_PRESET("", "medchat"),
            "Which vendor's format: `countersign presets` lists them.";
        WIDGET_CLAIMS("", r#"{"name": "{{ name or email }}", "plan": "{{ attributes.plan }}"}"#),
            "The claim template as JSON, instead of the preset's. Best given as WIDGET_CLAIMS_FILE.";
        WIDGET_SUBJECT("", "hex"),
            "How the visitor's id is written for this vendor: plain; hex (of its UTF-8 bytes); or pseudonym (the same for one visitor, different for every widget, readable only with PSEUDONYM_KEY). Most presets default to plain.";
        WIDGET_SUBJECT_CLAIM("", "user_id"),
            "`userinfo` and `custom`: the claim that holds the visitor's id (default sub); `none` leaves it to the template.";
        WIDGET_STAMPED("", "iat,exp"),
            "`userinfo` and `custom`: which of iat, nbf, exp, jti are written (default all).";
        WIDGET_TYP("", "chat-session+jwt"),
            "`userinfo` and `custom`: `typ` of the token's header; `none` leaves it out.";
        WIDGET_ISSUER("", "https://www.example.org"),
            "`iss` where the format has it; PUBLIC_URL when not set, `none` to leave it out.";
        WIDGET_AUDIENCE("", "https://chat.example.com"),
            "`aud` where the format has it, comma-separated when several; `none` to leave it out.";
        WIDGET_LIFETIME("", "10m"),
            "How long a token is good, at most until the visitor's session ends. Each preset has its own default. `none` (healthcare-agent only) writes no exp.";
        WIDGET_OPTIONAL_ATTRIBUTES("", "plan,clinic_id"),
            "`healthcare-agent`: names of session attributes that its scenarios may read, as optionalAttributes. No other attribute leaves.";
        WIDGET_MAX_TOKEN_BYTES("", "4096"),
            "Largest token in bytes (default 8192); a larger one is an error, never cut.";
        WIDGET_TOKEN_FIELD("", "jwt"),
            "Member of the JSON answer that holds the token (default token), for pages that read another one.";
        WIDGET_ANSWER_CLAIMS("", "email"),
            "Claims that the JSON answer also carries in clear, because the vendor's page call needs them.";
        WIDGET_PAGE_LOCALE("false", "true"),
            "Let the page say its language (`?locale=`): `page.locale` in the claim template. Unverified, and never identity.";
        WIDGET_PAGE_LOCATION("false", "true"),
            "Let the page say where the visitor is (`?lat=&long=`): `page.location` in the claim template. Unverified, and never identity.";
        WIDGET_AGENT_GROUP("", "chat-agents"),
            "The group whose members are agents: `agent` in the claim template is true for them and absent for everybody else.";
        WIDGET_ALLOWED_ORIGINS("", "https://app.example.org"),
            "Other origins whose pages may fetch this widget's token (exact, comma-separated); ALLOWED_ORIGINS when not set.";
        WIDGET_DIGEST("", r#"{"parts": ["user_id"], "field": "user_hash"}"#),
            "`custom`: a keyed digest (HMAC-SHA256) of members of WIDGET_CLAIMS instead of a signed token, as JSON: parts, separator, terminated, output (hex, base64), field, prefix, answer.";
        WIDGET_EXCHANGE("", r#"{"headers": {"Authorization": "Bearer {secret}"}, "call": {"url": "https://api.example.com/tokens", "json": {"user": "{{ subject }}"}}, "answer": {"token": "/token"}}"#),
            "`custom`: the vendor's server gives the token, as JSON: headers, first, call, revoke (url, method, json or form, accept), answer (token, expires_in, expires_at, expires_at_ms, fields, unchanged), cache. `revoke` is called at a logout of our own login and at a revocation, and can use of the visitor `subject` alone. Best given as WIDGET_EXCHANGE_FILE.";
        WIDGET_CONSTANTS("", "app_id=4711"),
            "Values that the vendor's format needs and that are not secret, as name=value separated by commas or as a JSON object: `config.NAME` in templates. `countersign presets show` names those of a preset.";
        WIDGET_PAGE_VALUES("", "socket_id:socket-id"),
            "`custom`: values that the page may send in the query, as name:shape (word, uuid, socket-id): `untrusted.NAME` in templates. Unverified, and never identity.";
    }
}
