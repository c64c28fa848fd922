//! Sources are asked in order, and a credential is judged by the source it is for.

use async_trait::async_trait;
use countersign::base::clock::UnixTime;
use countersign::session::identity::{Identity, Subject};
use countersign::session::nobody::Nobody;
use countersign::session::{Authenticator, Found, Guarded, Outage, Session};
use countersign::sources::{Chain, OnOutage, Rule};
use http::Request;
use http::request::Parts;

use crate::kit::{BEHIND_PROXY, mistakes, settings};

/// A source with one answer.
struct Fixed {
    name: &'static str,
    decides: bool,
    answer: Result<Option<Session>, Outage>,
}

#[async_trait]
impl Authenticator for Fixed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn guarded(&self) -> Guarded {
        Guarded::default()
    }

    fn decides(&self, _request: &Parts) -> bool {
        self.decides
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.answer.clone().map(drop)
    }

    async fn authenticate(&self, _request: &Parts) -> Result<Found, Outage> {
        self.answer.clone().map(|found| found.ok_or(Nobody::UnknownSession))
    }
}

fn jane(source: &'static str) -> Session {
    let identity = Identity::new(Subject::new("jane").unwrap());
    Session { identity, source, expires_at: None, authenticated_at: None }
}

fn down(source_name: &'static str) -> Outage {
    Outage::of(source_name, "deadline", None)
}

fn chain(on_outage: OnOutage, sources: Vec<Fixed>) -> Chain {
    ruled(Rule::First(on_outage), sources)
}

fn ruled(rule: Rule, sources: Vec<Fixed>) -> Chain {
    Chain::new(sources.into_iter().map(|source| std::sync::Arc::new(source) as _).collect(), rule)
}

async fn ask(on_outage: OnOutage, sources: Vec<Fixed>) -> Result<Option<&'static str>, Outage> {
    let (request, ()) = Request::new(()).into_parts();
    chain(on_outage, sources).authenticate(&request).await.map(|found| found.ok().map(|session| session.source))
}

/// H-10.
#[tokio::test]
async fn a_failing_credential_is_not_offered_a_weaker_source() {
    let weaker = || Fixed { name: "weaker", decides: false, answer: Ok(Some(jane("weaker"))) };
    let failing = || Fixed { name: "signed", decides: true, answer: Ok(None) };
    let broken = || Fixed { name: "signed", decides: true, answer: Err(down("signed")) };
    for on_outage in [OnOutage::Fail, OnOutage::Next] {
        assert_eq!(ask(on_outage, vec![failing(), weaker()]).await, Ok(None), "not after it");
        assert_eq!(ask(on_outage, vec![weaker(), failing()]).await, Ok(None), "and not before it either");
        assert_eq!(
            ask(on_outage, vec![weaker(), broken()]).await,
            Err(down("signed")),
            "an outage is no way around it"
        );
    }
}

#[tokio::test]
async fn without_a_credential_the_first_source_that_knows_wins() {
    let nobody = || Fixed { name: "a", decides: false, answer: Ok(None) };
    let broken = || Fixed { name: "b", decides: false, answer: Err(down("b")) };
    let jane = || Fixed { name: "c", decides: false, answer: Ok(Some(jane("c"))) };
    assert_eq!(ask(OnOutage::Fail, vec![nobody(), jane()]).await, Ok(Some("c")));
    assert_eq!(ask(OnOutage::Fail, vec![broken(), jane()]).await, Err(down("b")));
    assert_eq!(ask(OnOutage::Next, vec![broken(), jane()]).await, Ok(Some("c")));
    assert_eq!(ask(OnOutage::Next, vec![broken(), nobody()]).await, Err(down("b")), "nobody was not found out");
}

#[tokio::test]
async fn every_source_warms_up_though_one_cannot() {
    let broken = Fixed { name: "b", decides: false, answer: Err(down("b")) };
    let nobody = Fixed { name: "a", decides: false, answer: Ok(None) };
    assert_eq!(chain(OnOutage::Fail, vec![broken, nobody]).warm().await, Err(vec![down("b")]));
}

#[tokio::test]
async fn sources_that_must_agree_are_all_asked_and_believed_only_together() {
    let (request, ()) = Request::new(()).into_parts();
    let says = |name: &'static str, answer| Fixed { name, decides: false, answer };
    let until = |name, end| Ok(Some(Session { expires_at: end, ..jane(name) }));
    let somebody_else = || {
        let identity = Identity::new(Subject::new("john").unwrap());
        Ok(Some(Session { identity, ..jane("b") }))
    };
    let refused = [
        vec![says("a", Ok(Some(jane("a")))), says("b", Ok(None))],
        vec![says("a", Ok(None)), says("b", Ok(Some(jane("b"))))],
        vec![says("a", Ok(Some(jane("a")))), says("b", somebody_else())],
        vec![Fixed { decides: true, ..says("a", Ok(Some(jane("a")))) }, says("b", Ok(None))],
    ];
    for sources in refused {
        assert!(ruled(Rule::All, sources).authenticate(&request).await.unwrap().is_err());
    }
    let broken = vec![says("a", Ok(Some(jane("a")))), says("b", Err(down("b")))];
    assert_eq!(
        ruled(Rule::All, broken).authenticate(&request).await,
        Err(down("b")),
        "an outage is not a disagreement"
    );
    let (soon, late) = (Some(UnixTime(100)), Some(UnixTime(200)));
    for (first, second, end) in [(late, soon, soon), (soon, late, soon), (None, soon, soon), (late, None, late)] {
        let chain = ruled(Rule::All, vec![says("a", until("a", first)), says("b", until("b", second))]);
        let session = chain.authenticate(&request).await.unwrap().unwrap();
        assert_eq!((session.source, session.expires_at), ("a", end));
    }
}

#[test]
fn a_cross_check_of_one_source_or_with_gaps_is_named_at_start() {
    let alone = settings(&BEHIND_PROXY, &[("SESSION_CROSS_CHECK", "true")]);
    assert!(mistakes(&alone).contains("SESSION_CROSS_CHECK: needs two sources"));
    let gaps =
        [("SESSION_CROSS_CHECK", "true"), ("SESSION_ON_OUTAGE", "next"), ("SESSION_SOURCES", "forwarded,upstream")];
    assert!(mistakes(&settings(&BEHIND_PROXY, &gaps)).contains("SESSION_ON_OUTAGE: cannot be next"));
}
