//! Calls to AWS: build, sign, send, classify. One file for each service.

pub mod ambient;
pub mod assume_role;
pub mod credentials;
mod denied;
pub mod ecr;
pub mod eks;
pub mod endpoint;
mod fault;
pub mod iam;
mod refusal;
pub mod registry;
mod signature;
pub mod sts;
mod xml;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

pub use self::credentials::{AccessKeyId, Credentials, KeyPair, Signer};
pub use self::endpoint::{Endpoints, Region, Service};
pub use self::fault::{Cause, Error};
pub use self::refusal::{Meaning, Refusal};
use crate::clock::boot_time;
use crate::http;
use crate::retry::{self, Asking, Rank, Reaction, Slot, Traffic};

/// AWS refuses a signature whose time is more than five minutes off; a clock that is further off than this is blamed for
/// a refusal that a clock can cause.
const SKEW_NOTICED: Duration = Duration::from_secs(4 * 60);

/// A client for all of AWS's services. Threads may share it.
#[derive(Debug)]
pub struct Client {
    http: http::Client,
    endpoints: Endpoints,
    /// What AWS's clock shows more than ours, in seconds, once it was found to matter.
    skew: AtomicI64,
    traffic: Traffic,
}

/// One call, ready to be signed.
#[derive(Debug)]
struct Call<'a> {
    service: Service,
    region: &'a Region,
    operation: &'static str,
    content_type: &'static str,
    target: Option<&'static str>,
    body: String,
    safety: Safety,
}

/// Whether a call may be sent again when its fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Safety {
    /// Once more does no harm.
    Repeatable(Asking),
    /// It is sent once, whatever comes of it, and its exchange is over within this time.
    Once(Duration),
}

impl Safety {
    fn is_once(self) -> bool {
        match self {
            Safety::Repeatable(_) => false,
            Safety::Once(_) => true,
        }
    }

    fn is_patient(self) -> bool {
        match self {
            Safety::Repeatable(Asking::Patiently) => true,
            Safety::Repeatable(Asking::Once) | Safety::Once(_) => false,
        }
    }

    /// What comes of an error's reaction.
    fn permits(self, reaction: Reaction) -> Reaction {
        match self {
            Safety::Repeatable(asking) => asking.permits(reaction),
            Safety::Once(_) => Reaction::GiveUp,
        }
    }
}

impl Client {
    /// A client that finds its services at `endpoints`.
    pub fn new(http: http::Client, endpoints: Endpoints) -> Client {
        Client {
            http,
            endpoints,
            skew: AtomicI64::new(0),
            traffic: Traffic::new("AWS"),
        }
    }

    /// What AWS's clock shows more than this machine's, once that was found to matter.
    pub fn ahead(&self) -> time::Duration {
        time::Duration::seconds(self.skew.load(Ordering::SeqCst))
    }

    /// What this run has sent to AWS, for whoever repeats by itself and waits until a request may be sent.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn call<'a>(&self, call: &Call<'_>, keys: impl Into<Signer<'a>>) -> Result<http::Reply, Error> {
        let keys = keys.into();
        let what = format!("{}{}", call.operation, keys.signed_by());
        let send = |skew| {
            retry::repeat(
                &self.traffic,
                &what,
                || {
                    if call.safety.is_patient() {
                        self.wait_for_a_slot();
                    }
                    self.attempt(call, keys, skew)
                },
                |error| call.safety.permits(error.reaction()),
            )
        };
        let skew = self.skew.load(Ordering::SeqCst);
        let error = match send(skew) {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        match self.skew_found(&error, skew) {
            // Whoever sends once has the right time at the next call.
            Some(found) if !call.safety.is_once() => send(found),
            Some(_) | None => Err(error),
        }
    }

    /// Waits until a request may be sent, where requests were throttled. Whoever asks once has waited by itself.
    fn wait_for_a_slot(&self) {
        let mut held = None;
        loop {
            let now = boot_time();
            let slot = self.traffic.reserve(now, 1, Rank::Begun, held);
            match slot {
                Slot::From(at, _) if at <= now => return,
                Slot::From(..) | Slot::Ask(_) => std::thread::sleep(slot.at().saturating_sub(now)),
            }
            held = Some(slot);
        }
    }

    fn attempt(&self, call: &Call<'_>, keys: Signer<'_>, skew: i64) -> Result<http::Reply, Error> {
        let sent = boot_time();
        let answer = self.exchange(call, keys, skew);
        let now = boot_time();
        match answer.as_ref().map_err(|error| &error.cause) {
            Ok(_) => self.traffic.admitted(now),
            Err(Cause::Refused(refusal)) => match refusal.meaning() {
                Meaning::Throttled => self.traffic.throttled(sent, now, refusal.retry_after),
                // An overloaded service is no measure of what it admits.
                Meaning::RemoteFault => {}
                Meaning::UnknownKey
                | Meaning::WrongSecret
                | Meaning::WrongRegion
                | Meaning::ClockSkew
                | Meaning::AccessDenied
                | Meaning::SessionOver
                | Meaning::LimitExceeded
                | Meaning::NoSuchEntity
                | Meaning::Other => self.traffic.admitted(now),
            },
            Err(Cause::NoAnswer(_) | Cause::Unreadable { .. } | Cause::Unsignable(_)) => {}
        }
        answer
    }

    fn exchange(&self, call: &Call<'_>, keys: Signer<'_>, skew: i64) -> Result<http::Reply, Error> {
        let place = self.endpoints.place(call.service, call.region);
        let error = |cause| self.error(call, keys, cause);
        log::debug!("{}{}", call.operation, keys.signed_by());
        let request = signature::signed(call, &place, keys, now(skew)).map_err(|why| error(Cause::Unsignable(why)))?;
        let reply = match call.safety {
            Safety::Repeatable(_) => self.http.send(&request),
            Safety::Once(time) => self.http.send_within(&request, time),
        };
        let reply = reply.map_err(|failure| error(Cause::NoAnswer(Box::new(failure))))?;
        if reply.status == 200 {
            Ok(reply)
        } else {
            Err(error(refusal::cause(call.service, &reply)))
        }
    }

    fn error<'a>(&self, call: &Call<'_>, keys: impl Into<Signer<'a>>, cause: Cause) -> Error {
        Error {
            operation: call.operation,
            service: call.service,
            region: call.region.name().into(),
            signed_by: keys.into().signed_by(),
            endpoint: self.endpoints.place(call.service, call.region).url.into(),
            once: call.safety.is_once(),
            cause,
        }
    }

    /// A wrong clock looks like a wrong secret; the answer's own date tells them apart. Returns what AWS's clock shows more
    /// than ours, if a call that was signed with `skew` was so far off that another try is worth while; all later calls sign
    /// with it.
    fn skew_found(&self, error: &Error, skew: i64) -> Option<i64> {
        let Cause::Refused(refusal) = &error.cause else {
            return None;
        };
        let (true, Some(theirs)) = (refusal.meaning().can_be_the_clock(), refusal.date) else {
            return None;
        };
        let off = theirs - time::OffsetDateTime::from(now(skew));
        if off.unsigned_abs() < SKEW_NOTICED {
            return None;
        }
        let found = skew.saturating_add(off.whole_seconds());
        let known = self.skew.swap(found, Ordering::SeqCst);
        // Calls that were under way at the same time find out the same; it is told once.
        if found.abs_diff(known) >= SKEW_NOTICED.as_secs() {
            if found.unsigned_abs() < SKEW_NOTICED.as_secs() {
                log::warn!("this machine's clock and AWS's agree again: one of them was set during the run");
                return Some(found);
            }
            log::warn!(
                "this machine's clock is {} s {} AWS's; signing with AWS's time (set the clock: nothing else is corrected)",
                found.unsigned_abs(),
                if found < 0 { "ahead of" } else { "behind" },
            );
        }
        Some(found)
    }
}

/// The time by AWS's clock, which shows `skew` seconds more than ours.
fn now(skew: i64) -> SystemTime {
    let offset = Duration::from_secs(skew.unsigned_abs());
    let now = SystemTime::now();
    if skew < 0 {
        now.checked_sub(offset)
    } else {
        now.checked_add(offset)
    }
    .unwrap_or(now)
}

/// A Query protocol body: `Action=…&Version=…` and the parameters, form-encoded.
fn query(action: &str, version: &str, parameters: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}&Version={version}");
    for (name, value) in parameters {
        body.push_str(&format!("&{name}={}", http::percent_encode(value)));
    }
    body
}

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const JSON_1_1: &str = "application/x-amz-json-1.1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Price;
    use crate::sensitive::Sensitive;

    #[test]
    fn threads_may_share_a_client() {
        fn shared<T: Send + Sync>() {}
        shared::<Client>();
    }

    fn client() -> Client {
        let limits = http::Limits {
            time: Duration::from_secs(1),
            body: 1,
        };
        Client::new(
            http::Client::new(&http::Connection::trusting(http::Roots::Only(Vec::new())), limits),
            Endpoints::default(),
        )
    }

    fn refused(client: &Client, code: &str, status: u16, ahead: i64) -> Error {
        let region = Region::parse("eu-west-1").unwrap();
        let call = Call {
            service: Service::Iam,
            region: &region,
            operation: "ListAccessKeys",
            content_type: FORM,
            target: None,
            body: String::new(),
            safety: Safety::Repeatable(Asking::Once),
        };
        let keys = KeyPair {
            id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret: Sensitive::new("secret".into()),
        };
        let refusal = Refusal {
            code: code.into(),
            message: String::new(),
            status,
            request_id: None,
            retry_after: Some(Duration::from_secs(7)),
            date: Some(now(ahead).into()),
        };
        client.error(&call, &keys, Cause::Refused(Box::new(refusal)))
    }

    /// Two threads' calls were both signed by the wrong clock; the second answer must not pass for a wrong secret because
    /// the first one has already set things right.
    #[test]
    fn calls_under_way_at_the_same_time_all_find_out_that_the_clock_is_off() {
        let client = client();
        let error = refused(&client, "SignatureDoesNotMatch", 403, 3_600);
        let near = |skew: Option<i64>| skew.is_some_and(|skew| (3_598..=3_602).contains(&skew));
        assert!(near(client.skew_found(&error, 0)));
        assert!(near(client.skew_found(&error, 0)));
        let known = client.skew.load(Ordering::SeqCst);
        assert!(near(Some(known)));
        assert_eq!(client.skew_found(&error, known), None);
        let error = refused(&client, "AccessDenied", 403, -3_600);
        assert_eq!(client.skew_found(&error, known), None);
    }

    #[test]
    fn what_passes_is_told_with_the_pause_that_aws_asks_for() {
        let client = client();
        let (after, price) = (Some(Duration::from_secs(7)), Price::Failure);
        for (code, status, reaction) in [
            ("Throttling", 400, Reaction::Repeat { after, price }),
            ("ServiceUnavailable", 503, Reaction::Repeat { after, price }),
            ("SignatureDoesNotMatch", 403, Reaction::GiveUp),
            ("LimitExceeded", 409, Reaction::GiveUp),
            ("NoSuchEntity", 404, Reaction::GiveUp),
        ] {
            assert_eq!(refused(&client, code, status, 0).reaction(), reaction, "{code}");
        }
    }

    #[test]
    fn a_call_that_is_sent_once_is_not_even_repeated_when_throttled() {
        let again = Reaction::Repeat {
            after: None,
            price: Price::Failure,
        };
        assert_eq!(Safety::Once(Duration::ZERO).permits(again), Reaction::GiveUp);
        assert_eq!(Safety::Repeatable(Asking::Once).permits(again), Reaction::GiveUp);
        assert_eq!(Safety::Repeatable(Asking::Patiently).permits(again), again);
    }

    #[test]
    fn query_encodes_what_is_reserved() {
        assert_eq!(
            query("ListAccessKeys", "2010-05-08", &[("Marker", "a+b/c=&ä")]),
            "Action=ListAccessKeys&Version=2010-05-08&Marker=a%2Bb%2Fc%3D%26%C3%A4"
        );
    }
}
