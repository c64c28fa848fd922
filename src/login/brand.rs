//! How the login's pages look and what they say: the organisation's name, logo, colour, links and texts.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use url::Url;

use crate::config::env::Env;
use crate::config::read::{optional, text};
use crate::login::texts::Catalogue;
use crate::net::origin::Origin;
use crate::net::outbound::is_loopback;

crate::settings! {
    /// The settings of the login's looks.
    pub struct Settings {
        name: Option<String> = LOGIN_BRAND_NAME("", "Example Hospital"), optional(Env::text),
            "The organisation's name on the login's pages.";
        logo: Option<Link> = LOGIN_BRAND_LOGO("", "/assets/logo.svg"), optional(Env::parse),
            "Its logo: a path on our own origin, or an https address.";
        colour: Option<Colour> = LOGIN_BRAND_COLOUR("", "#005eb8"), optional(Env::parse),
            "Its colour, for the button and the links, as #rrggbb. What is written on it or with it is kept readable.";
        help: Option<Link> = LOGIN_HELP_URL("", "/help"), optional(Env::parse),
            "Where the login's pages link to for help: a path on our own origin, or an https, mailto or tel address.";
        privacy: Option<Link> = LOGIN_PRIVACY_URL("", "/privacy"), optional(Env::parse),
            "Where they link to for privacy.";
        forgot: Option<Link> = LOGIN_FORGOT_PASSWORD_URL("", "/account/reset"), optional(Env::parse),
            "Where the form links to for a forgotten password.";
        language: String = LOGIN_LANGUAGE("en", "de"), text,
            "Language of the login's pages for visitors whose browser asks for none of those that there are: en, ar, de, es, fr, it, nl, pl, pt, sv, tr.";
        texts: Option<String> = LOGIN_TEXTS("", "{\"en\": {\"log_in\": \"Sign in\"}}"), optional(Env::text),
            "Texts of the login's pages that are to be others, or further languages: a JSON object of languages, each an object of texts by name.";
    }
}

/// Where a link or a picture leads: a path on our own origin, or a whole address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// As it stands in a page.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of a whole address on the web; `None` for a path on our own.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        Url::parse(&self.0).ok().and_then(|url| Origin::of(&url))
    }
}

impl FromStr for Link {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\<>\"'`".contains(&byte));
        let path = text.starts_with('/') && !text.starts_with("//");
        let address = Url::parse(text).is_ok_and(|url| match url.scheme() {
            "https" | "mailto" | "tel" => true,
            "http" => is_loopback(&url),
            _ => false,
        });
        if plain && (path || address) {
            return Ok(Self(text.to_owned()));
        }
        Err("takes a path on our own origin such as /help, or an https address")
    }
}

/// A colour by its red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour([u8; 3]);

const BLACK: Colour = Colour([0; 3]);
const WHITE: Colour = Colour([255; 3]);
/// The ground of our pages in the light and in the dark, as in `login.css`.
const GROUNDS: [Colour; 2] = [WHITE, Colour([0x13, 0x13, 0x16])];
/// Least contrast of text (WCAG 2.2, success criterion 1.4.3).
const READABLE: f64 = 4.5;

impl FromStr for Colour {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "takes a colour as #rrggbb";
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(WRONG)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| WRONG)?;
        bytes.try_into().map(Self).map_err(|_| WRONG)
    }
}

impl Colour {
    /// Relative luminance, as WCAG 2.2 defines it.
    fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Contrast ratio, 1 to 21.
    fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// Black or white, whichever is read more easily on this colour; one of them always is readable.
    fn ink(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    /// This colour, or as little towards black or white as makes it readable on `ground`.
    fn readable_on(self, ground: Self) -> Self {
        let towards = ground.ink();
        let mixed = |step: u16| {
            let mix = |from: u8, to: u8| u8::try_from((u16::from(from) * (20 - step) + u16::from(to) * step) / 20);
            let [red, green, blue] = [0, 1, 2].map(|at| mix(self.0[at], towards.0[at]).unwrap_or(towards.0[at]));
            Self([red, green, blue])
        };
        (0..=20).map(mixed).find(|colour| colour.contrast(ground) >= READABLE).unwrap_or(towards)
    }

    fn css(self) -> String {
        let [red, green, blue] = self.0;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// Our style's colours, in the light and in the dark.
    fn style(self) -> String {
        let [light, dark] = GROUNDS.map(|ground| {
            let (accent, on_accent, link) = (self.css(), self.ink().css(), self.readable_on(ground).css());
            format!(":root {{ --accent: {accent}; --on-accent: {on_accent}; --link: {link}; }}")
        });
        let mut style = String::new();
        let _ = write!(style, "{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n");
        style
    }
}

/// What the pages are made with.
#[derive(Debug, Clone)]
pub struct Brand {
    /// What was configured.
    pub settings: Settings,
    /// What the pages say.
    pub texts: Arc<Catalogue>,
}

impl Brand {
    /// Reads the settings; `None` after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        let settings = Settings::parse(env)?;
        let texts = match Catalogue::new(settings.texts.as_deref()) {
            Ok(texts) => texts,
            Err(problem) => {
                env.mistake_in(&LOGIN_TEXTS, &problem);
                return None;
            }
        };
        let all = texts.languages().collect::<Vec<_>>().join(", ");
        let Some(texts) = texts.led_by(&settings.language) else {
            env.mistake_in(&LOGIN_LANGUAGE, &format!("is none of the languages that there are: {all}"));
            return None;
        };
        Some(Self { settings, texts: Arc::new(texts) })
    }

    /// What is added to our style.
    #[must_use]
    pub fn style(&self) -> String {
        self.settings.colour.map(Colour::style).unwrap_or_default()
    }
}
