//! The bot at the widget server's desk: it echoes, knows the opening hours, and tells an appointment to nobody but the patient.

use serde_json::Map;

use super::patients::PATIENTS;
use super::proof::Visitor;
use crate::base::clock::UnixTime;

/// What this bot knows that only the right person may hear.
const APPOINTMENTS: [(&str, &str); 2] = [
    ("P20417", "Tuesday at 10:40 with Dr. Amira Salt, Cardiology, Pier Wing, room 12"),
    ("P31188", "Thursday at 14:15 with Tomás Reyes, Physiotherapy, Lighthouse Wing, room 3"),
];

/// What an agent that speaks to a known name suggests to ask, for it to answer.
pub const QUESTIONS: [&str; 3] = ["When is my appointment?", "Who am I?", "When are you open?"];

/// What the agent says to one of its own [`QUESTIONS`]; `None` to anything else.
#[must_use]
pub fn answer(text: &str, name: Option<&str>) -> Option<String> {
    let asked = QUESTIONS.iter().find(|question| question.eq_ignore_ascii_case(text.trim()))?;
    let known = name.and_then(|name| PATIENTS.iter().find(|patient| patient.name == name)).map(|patient| Visitor {
        id: patient.number.to_owned(),
        name: patient.name.to_owned(),
        token_id: None,
        expires_at: UnixTime(u64::MAX),
        claims: Map::new(),
    });
    Some(reply(asked, known.as_ref(), false))
}

/// What the bot says.
#[must_use]
pub fn reply(text: &str, visitor: Option<&Visitor>, lapsed: bool) -> String {
    let text = text.trim();
    let asks = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(word));
    match visitor {
        _ if asks(&["hour", "open", "close"]) => {
            "We are open Monday to Friday from 8:00 to 18:00, and on Saturday from 9:00 to 12:00.".to_owned()
        }
        Some(visitor) if asks(&["appointment", "when"]) => {
            let known = APPOINTMENTS.iter().find(|(id, _)| *id == visitor.id);
            known.map_or_else(
                || format!("I see no appointment for you, {}.", first_name(visitor)),
                |(_, what)| format!("Your next appointment, {}, is {what}.", first_name(visitor)),
            )
        }
        Some(visitor) if asks(&["who am i", "my name"]) => {
            format!("You are {}, patient {}. The clinic has vouched for it.", visitor.name, visitor.id)
        }
        Some(visitor) => format!("Hello {}. You wrote: \u{201c}{text}\u{201d}", first_name(visitor)),
        None if lapsed => format!(
            "I have your message, \u{201c}{text}\u{201d}, but your proof of identity has expired, so I cannot tell who is \
             writing. Loading the page again brings a new one."
        ),
        None if asks(&["appointment", "when", "who am i", "my name"]) => {
            "I can talk about appointments only with somebody I know. Please sign in on the clinic's page.".to_owned()
        }
        None => format!("Hello, whoever you are. You wrote: \u{201c}{text}\u{201d}"),
    }
}

fn first_name(visitor: &Visitor) -> &str {
    visitor.name.split_whitespace().next().unwrap_or(&visitor.name)
}
