//! Sources are asked in order, and a credential is judged by the source it is for.

use async_trait::async_trait;
use countersign::identity::{Identity, Subject};
use countersign::session::{Authenticator, Guarded, Outage, Session};
use countersign::sources::{Chain, OnOutage};
use http::Request;
use http::request::Parts;

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

    async fn authenticate(&self, _request: &Parts) -> Result<Option<Session>, Outage> {
        self.answer.clone()
    }
}

fn jane(source: &'static str) -> Session {
    let identity = Identity::new(Subject::new("jane").unwrap());
    Session { identity, source, expires_at: None, authenticated_at: None }
}

fn down(source_name: &'static str) -> Outage {
    Outage { source_name, reason: "deadline", retry_after: None }
}

fn chain(on_outage: OnOutage, sources: Vec<Fixed>) -> Chain {
    Chain::new(sources.into_iter().map(|source| Box::new(source) as _).collect(), on_outage)
}

async fn ask(on_outage: OnOutage, sources: Vec<Fixed>) -> Result<Option<&'static str>, Outage> {
    let (request, ()) = Request::new(()).into_parts();
    chain(on_outage, sources).authenticate(&request).await.map(|found| found.map(|session| session.source))
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
    assert_eq!(chain(OnOutage::Fail, vec![broken, nobody]).warm().await, Err(down("b")));
}
