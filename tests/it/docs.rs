//! What is written for people is what the code does.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::app::config::SECTIONS;
use countersign::cli;
use countersign::cli::settings::{sample, table};
use countersign::config::dotenv::parse_dotenv;

/// Names that vendors' own samples use for settings of ours.
const ALIASES: &[&str] = &["APP_SECRET", "WEBCHAT_SECRET", "DIRECTLINE_ENDPOINT_URI"];

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_table_and_the_sample_file_list_the_same_settings() {
    let (table, sample) = (table(), sample());
    for var in SECTIONS.iter().flat_map(|section| section.vars) {
        assert!(table.contains(&format!("`{}`", var.name)), "`countersign settings` leaves out {}", var.name);
        assert!(
            sample.contains(&format!("{}=", var.name)) || sample.contains(&format!("{}_FILE=", var.name)),
            "{}",
            var.name
        );
    }
}

#[test]
fn the_sample_file_is_the_codes_and_can_be_read() {
    let file = text(".env.example");
    assert_eq!(file, sample(), "print it anew: countersign settings --format env > .env.example");
    let pairs = parse_dotenv(&file).unwrap();
    assert!(pairs.iter().any(|(name, _)| name == "WIDGET_PRESET"));
    let uncommented = file.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line));
    let all = parse_dotenv(&uncommented.collect::<Vec<_>>().join("\n")).unwrap();
    for var in SECTIONS.iter().flat_map(|s| s.vars) {
        let listed = all.iter().any(|(name, _)| name.strip_suffix("_FILE").unwrap_or(name) == var.name);
        assert!(listed, "{} is not in the sample file", var.name);
    }
}

#[test]
fn every_setting_is_described_once() {
    let mut names: Vec<&str> = SECTIONS.iter().flat_map(|s| s.vars).map(|v| v.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a setting is listed twice");
    for var in SECTIONS.iter().flat_map(|s| s.vars) {
        assert!(var.doc.len() > 20, "{} says nothing", var.name);
        assert!(var.secret || !var.example.is_empty(), "{} has no example", var.name);
    }
}

#[test]
fn the_readme_can_be_read_in_one_sitting() {
    let readme = text("README.md");
    assert!(readme.len() <= 16 * 1024, "{} bytes", readme.len());
}

#[test]
fn the_readmes_links_lead_somewhere() {
    let readme = text("README.md");
    let links: Vec<&str> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for link in links.iter().filter(|link| !link.starts_with("https://")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{link} is mentioned and missing");
    }
    assert!(links.contains(&"src/threat_model.md") && links.contains(&".env.example"));
}

#[test]
fn every_setting_the_readme_names_exists() {
    let known: Vec<&str> = SECTIONS.iter().flat_map(|section| section.vars).map(|var| var.name).collect();
    let names = |setting: &str, known: &str| {
        let of_a_widget = |rest: &str| rest.split_once('_').is_some_and(|(_, last)| known == format!("WIDGET_{last}"));
        setting == known || setting.strip_prefix("WIDGET_").is_some_and(of_a_widget)
    };
    let readme = text("README.md");
    for quoted in readme.split('`').skip(1).step_by(2) {
        let name = quoted.split('=').next().unwrap();
        let name = name.strip_suffix("_FILE").unwrap_or(name);
        let setting = name.contains('_') && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_uppercase());
        let exists = known.iter().any(|known| names(name, known)) || ALIASES.contains(&name);
        assert!(!setting || exists, "the README names {name}, and there is no such setting");
    }
}

/// Every text of ours: documentation, and the sentences in the sources.
fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md" || extension == "rs") {
            found.push(path);
        }
    }
}

/// The command lines that a text shows as such, with what is to be filled in.
fn commands(text: &str) -> impl Iterator<Item = String> + '_ {
    let spans = text.split("`countersign ").skip(1).filter_map(|rest| rest.split_once('`'));
    let filled = |command: &str| command.replace("{algorithm}", "ES256").replace(" URL", " https://www.example.org");
    spans.map(move |(command, _)| filled(command))
}

#[test]
fn every_command_that_a_text_names_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    texts(&root.join("deploy"), &mut paths);
    texts(&root.join("src"), &mut paths);
    let mut seen = 0;
    for path in paths {
        for command in commands(&fs::read_to_string(&path).unwrap()) {
            // A quoted argument is one word.
            let words = command.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            let parsed = cli::parse(["countersign"].into_iter().chain(words).map(Into::into));
            // A text may leave out what the command cannot do without.
            let names_one =
                parsed.as_ref().err().is_none_or(|problem| format!("{:?}", problem.kind()).contains("Missing"));
            assert!(names_one, "{}: `countersign {command}`: {}", path.display(), parsed.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}
