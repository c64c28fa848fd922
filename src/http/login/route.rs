//! Where the login's pages are.

/// One of the login's routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRoute {
    /// Begins a login.
    Start,
    /// Where the identity provider sends visitors back.
    Callback,
    /// Takes a name and a password.
    Password,
    /// The last page in a window of its own.
    Done,
    /// Its script.
    DoneScript,
    /// The script of the form.
    FormScript,
    /// The script of the page that says that nobody is logged in.
    OutScript,
    /// The stylesheet of all pages.
    Style,
    /// Asks whether to log out, and logs out.
    Logout,
    /// Takes the identity provider's word that a session ended.
    BackChannel,
}

impl LoginRoute {
    /// Every route with its path below the mount.
    pub const PATHS: &[(&str, Self)] = &[
        ("/login", Self::Start),
        ("/login/callback", Self::Callback),
        ("/login/password", Self::Password),
        ("/login/done", Self::Done),
        ("/login/done.js", Self::DoneScript),
        ("/login/form.js", Self::FormScript),
        ("/login/out.js", Self::OutScript),
        ("/login/style.css", Self::Style),
        ("/logout", Self::Logout),
        ("/logout/backchannel", Self::BackChannel),
    ];

    /// What it takes. A look that changes nothing must not begin a login or use one up: no HEAD there.
    #[must_use]
    pub fn methods(self) -> &'static str {
        match self {
            Self::Start | Self::Callback => "GET",
            Self::Password | Self::BackChannel => "POST",
            Self::Done | Self::DoneScript | Self::FormScript | Self::OutScript | Self::Style => "GET, HEAD",
            Self::Logout => "GET, HEAD, POST, OPTIONS",
        }
    }
}
