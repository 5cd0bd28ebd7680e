//! Calls to AWS: build, sign, send, classify. One file for each service.

pub mod credentials;
pub mod ecr;
pub mod endpoint;
mod fault;
pub mod iam;
mod refusal;
pub mod sts;
mod xml;

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

pub use self::credentials::{AccessKeyId, KeyPair};
pub use self::endpoint::{Endpoints, Region, Service};
pub use self::fault::{Cause, Error};
pub use self::refusal::{Meaning, Refusal};
use crate::http::{self, Delivery, Method};
use crate::retry::{self, Reaction};
use crate::sensitive::Sensitive;

/// AWS refuses a signature whose time is more than five minutes off; a clock that is further off than this is blamed for
/// a refusal that a clock can cause.
const SKEW_NOTICED: Duration = Duration::from_secs(4 * 60);

/// A client for all of AWS's services.
#[derive(Debug)]
pub struct Client {
    http: http::Client,
    endpoints: Endpoints,
    /// What AWS's clock shows more than ours, in seconds, once it was found to matter.
    skew: Cell<i64>,
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

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Until there is an answer, within reason.
    Patiently,
    /// Once: the caller asks again by itself.
    Once,
}

impl Asking {
    fn safety(self) -> Safety {
        match self {
            Asking::Patiently => Safety::Repeatable,
            Asking::Once => Safety::Probe,
        }
    }
}

/// Whether a call may be sent again when its fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Safety {
    /// Once more does no harm.
    Repeatable,
    /// Once more does no harm, but the caller does that itself when the time has come.
    Probe,
    /// It is sent once. What was surely not carried out (a throttled call, a clock that was off) may still be repeated.
    Once,
}

impl Client {
    /// A client that finds its services at `endpoints`.
    pub fn new(http: http::Client, endpoints: Endpoints) -> Client {
        Client {
            http,
            endpoints,
            skew: Cell::new(0),
        }
    }

    fn call(&self, call: &Call<'_>, keys: &KeyPair) -> Result<http::Reply, Error> {
        let what = format!("{} with key {}", call.operation, keys.id);
        match retry::repeat(&what, || self.attempt(call, keys), |error| reaction(error, call.safety)) {
            Err(error) if self.skew_explains(&error) => {
                retry::repeat(&what, || self.attempt(call, keys), |error| reaction(error, call.safety))
            }
            result => result,
        }
    }

    fn attempt(&self, call: &Call<'_>, keys: &KeyPair) -> Result<http::Reply, Error> {
        let endpoint = self.endpoints.url(call.service, call.region);
        let error = |cause| self.error(call, keys, cause);
        log::debug!("{} with key {}", call.operation, keys.id);
        let request = signed(call, &endpoint, keys, self.now()).map_err(|why| error(Cause::Unsignable(why)))?;
        let reply = self
            .http
            .send(&request)
            .map_err(|failure| error(Cause::NoAnswer(Box::new(failure))))?;
        if reply.status == 200 {
            Ok(reply)
        } else {
            Err(error(refusal::cause(call.service, &reply)))
        }
    }

    fn error(&self, call: &Call<'_>, keys: &KeyPair, cause: Cause) -> Error {
        Error {
            operation: call.operation,
            service: call.service,
            region: call.region.name().into(),
            key: keys.id.clone(),
            endpoint: self.endpoints.url(call.service, call.region).into(),
            once: call.safety == Safety::Once,
            cause,
        }
    }

    fn now(&self) -> SystemTime {
        let skew = self.skew.get();
        let offset = Duration::from_secs(skew.unsigned_abs());
        let now = SystemTime::now();
        if skew < 0 {
            now.checked_sub(offset)
        } else {
            now.checked_add(offset)
        }
        .unwrap_or(now)
    }

    /// A wrong clock looks like a wrong secret; the answer's own date tells them apart. True once, when the clock was off
    /// and has been corrected for, so that the call is worth another try.
    fn skew_explains(&self, error: &Error) -> bool {
        let Cause::Refused(refusal) = &error.cause else {
            return false;
        };
        let (true, Some(theirs)) = (refusal.meaning().can_be_the_clock(), refusal.date) else {
            return false;
        };
        let ours = time::OffsetDateTime::from(self.now());
        let off = theirs - ours;
        if off.unsigned_abs() < SKEW_NOTICED {
            return false;
        }
        self.skew.set(self.skew.get() + off.whole_seconds());
        log::warn!(
            "this machine's clock is {} s {} AWS's; signing with AWS's time (set the clock: nothing else is corrected)",
            off.whole_seconds().unsigned_abs(),
            if off.is_negative() { "ahead of" } else { "behind" },
        );
        true
    }
}

fn reaction(error: &Error, safety: Safety) -> Reaction {
    let (passes, surely_without_effect, after) = match &error.cause {
        Cause::NoAnswer(failure) => (failure.passes(), failure.delivery == Delivery::NotSent, None),
        Cause::Refused(refusal) => match refusal.meaning() {
            Meaning::Throttled => (true, true, refusal.retry_after),
            Meaning::RemoteFault => (true, false, refusal.retry_after),
            Meaning::UnknownKey
            | Meaning::WrongSecret
            | Meaning::WrongRegion
            | Meaning::ClockSkew
            | Meaning::AccessDenied
            | Meaning::SessionOver
            | Meaning::LimitExceeded
            | Meaning::NoSuchEntity
            | Meaning::Other => (false, true, None),
        },
        // An error page of something on the way, most often.
        Cause::Unreadable { status, .. } => (*status >= 500, false, None),
        Cause::Unsignable(_) => (false, true, None),
    };
    let permitted = match safety {
        Safety::Repeatable => true,
        Safety::Probe => false,
        Safety::Once => surely_without_effect,
    };
    if passes && permitted {
        Reaction::Repeat { after }
    } else {
        Reaction::GiveUp
    }
}

fn signed(call: &Call<'_>, endpoint: &str, keys: &KeyPair, now: SystemTime) -> Result<http::Request, String> {
    let identity = keys.for_signing().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(call.region.signing_region(call.service))
        .name(call.service.signing_name())
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let mut headers = vec![("content-type", Sensitive::new(call.content_type.to_owned()))];
    headers.extend(
        call.target
            .map(|target| ("x-amz-target", Sensitive::new(target.to_owned()))),
    );
    let to_sign = headers.iter().map(|(name, value)| (*name, value.expose().as_str()));
    let body = SignableBody::Bytes(call.body.as_bytes());
    let signable = SignableRequest::new("POST", endpoint, to_sign, body).map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
    let (signature, _) = instructions.into_parts();
    headers.extend(
        signature
            .iter()
            .map(|h| (h.name(), Sensitive::new(h.value().to_owned()))),
    );
    Ok(http::Request {
        method: Method::Post,
        url: endpoint.to_owned(),
        headers,
        body: Sensitive::new(call.body.clone().into_bytes()),
    })
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

    #[test]
    fn query_encodes_what_is_reserved() {
        assert_eq!(
            query("ListAccessKeys", "2010-05-08", &[("Marker", "a+b/c=&ä")]),
            "Action=ListAccessKeys&Version=2010-05-08&Marker=a%2Bb%2Fc%3D%26%C3%A4"
        );
    }
}
