//! The declaration of settings.

/// Declares a wing's settings as plain data.
///
/// ```
/// use std::time::Duration;
/// use countersign::config::env::Env;
/// use countersign::config::read::{flag, needed, optional, text, within};
///
/// countersign::settings! {
///     /// How the endpoint is asked.
///     pub struct Settings {
///         address: String = EXAMPLE_ADDRESS("", "https://www.example.org/me"), needed(": who is asked", text),
///             "The endpoint.";
///         deadline: Duration = EXAMPLE_DEADLINE("2s", "1s"), within("50ms", "10s"),
///             "Longest time to wait, at most 10s.";
///         token: Option<secrecy::SecretString> = EXAMPLE_TOKEN(secret), optional(Env::secret),
///             "Shown to the endpoint.";
///     }
/// }
///
/// let mut env = Env::new([("EXAMPLE_ADDRESS", "https://www.example.org")]);
/// assert_eq!(Settings::parse(&mut env).map(|settings| settings.deadline), Some(Duration::from_secs(2)));
/// ```
///
/// One line is one setting: `field: Type = NAME(default, sample), reader, "meaning";`. In the brackets also stand
/// `secret` (with an optional sample), and after a `;` what else a [`Var`](crate::config::var::Var) may be, as calls:
/// `NAME("", "x"; or(&["OTHER_NAME"]))`, `NAME_NEXT(secret; after("NAME"))`, `NAME("", "x"; at_start())` for what a reload
/// cannot change. A reader is a function of the environment and the variable that answers `None` after naming what is wrong
/// ([`read`](crate::config::read) holds the usual ones); every setting is read before any failure counts, so one start names
/// them all. A field that is not one setting is given as `..field: Type = reader;` with a reader of the environment alone.
///
/// It makes the struct with public fields, one `Var` constant per setting under the setting's own name, `Settings::VARS` and
/// `Settings::parse`. Where what is read depends on what was read before, `vars LIST { NAME(default, sample), "meaning"; }` makes
/// the constants and a list of them alone, `vars { ... }` the constants, and `vars LIST + MORE { ... }` a list that goes on with
/// another one. What depends on several settings is checked by the wing after `parse`.
#[macro_export]
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        $vis:vis struct $settings:ident {
            $($field:ident : $type:ty = $name:ident ( $($var:tt)* ), $reader:expr, $doc:literal;)*
            $(.. $part:ident : $part_type:ty = $part_reader:expr;)*
        }
    ) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            $vis const $name: $crate::config::var::Var = $crate::settings!(@var $name, $doc, $($var)*);
        )*

        $(#[$attribute])*
        #[derive(Debug, Clone)]
        $vis struct $settings {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $vis $field: $type,
            )*
            $(
                #[doc = "Several settings together."]
                $vis $part: $part_type,
            )*
        }

        impl $settings {
            #[doc = "Every setting in it, in the order of the sample file."]
            $vis const VARS: &'static [&'static $crate::config::var::Var] = &[$(&$name),*];

            #[doc = "Reads each of them; `None` after naming what is wrong."]
            $vis fn parse(env: &mut $crate::config::env::Env) -> Option<Self> {
                $(let $field: Option<$type> = ($reader)(env, &$name);)*
                $(let $part: Option<$part_type> = ($part_reader)(env);)*
                Some(Self { $($field: $field?,)* $($part: $part?,)* })
            }
        }
    };
    ($vis:vis vars { $($name:ident ( $($var:tt)* ), $doc:literal;)* }) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            $vis const $name: $crate::config::var::Var = $crate::settings!(@var $name, $doc, $($var)*);
        )*
    };
    ($vis:vis vars $list:ident + $more:ident { $($name:ident ( $($var:tt)* ), $doc:literal;)* }) => {
        $crate::settings! { $vis vars { $($name ( $($var)* ), $doc;)* } }

        #[doc = "Each of these settings, and those of the mapping, in the order of the sample file."]
        $vis const $list: &[&$crate::config::var::Var] =
            &$crate::config::var::join::<{ [$(stringify!($name)),*].len() + $more.len() }>(&[$(&$name),*], $more);
    };
    ($vis:vis vars $list:ident { $($name:ident ( $($var:tt)* ), $doc:literal;)* }) => {
        $crate::settings! { $vis vars { $($name ( $($var)* ), $doc;)* } }

        #[doc = "Each of these settings, in the order of the sample file."]
        $vis const $list: &[&$crate::config::var::Var] = &[$(&$name),*];
    };
    (@var $name:ident, $doc:literal, secret $($more:literal)? $(; $($method:ident($($argument:tt)*)),+)?) => {
        $crate::config::var::Var::secret(stringify!($name), $doc)
            $(.such_as($more))? $($(.$method($($argument)*))+)?
    };
    (@var $name:ident, $doc:literal, $default:literal, $sample:literal $(; $($method:ident($($argument:tt)*)),+)?) => {
        $crate::config::var::Var::new(stringify!($name), $default, $sample, $doc) $($(.$method($($argument)*))+)?
    };
}
