//! Signature version 4, by aws-sigv4: in headers for a call, in the query for a URL that is handed on.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningInstructions, SigningSettings, sign,
};
use aws_sigv4::sign::v4;

use super::Call;
use super::credentials::Signer;
use super::endpoint::{Place, Service};
use crate::http::{self, Method};
use crate::sensitive::Sensitive;

/// The request of a call; without a signature where nobody signs it.
pub(super) fn signed(
    call: &Call<'_>,
    place: &Place,
    signer: Signer<'_>,
    now: SystemTime,
) -> Result<http::Request, String> {
    let mut headers = vec![("content-type", Sensitive::new(call.content_type.to_owned()))];
    headers.extend(
        call.target
            .map(|target| ("x-amz-target", Sensitive::new(target.to_owned()))),
    );
    let to_sign: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.expose().as_str()))
        .collect();
    let request = Unsigned {
        method: Method::Post,
        url: &place.url,
        headers: &to_sign,
        body: call.body.as_bytes(),
    };
    let instructions = request.sign(call.service, place, signer, now, SigningSettings::default())?;
    if let Some(instructions) = instructions {
        let (signature, _) = instructions.into_parts();
        headers.extend(
            signature
                .iter()
                .map(|h| (h.name(), Sensitive::new(h.value().to_owned()))),
        );
    }
    Ok(http::Request {
        method: Method::Post,
        url: place.url.clone(),
        headers,
        body: Sensitive::new(call.body.clone().into_bytes()),
    })
}

/// The URL of a GET that whoever has it may send for so long, with exactly these headers beside `host`. It is as good as a
/// password.
pub(super) fn presigned(
    service: Service,
    place: &Place,
    query: &str,
    headers: &[(&str, &str)],
    signer: Signer<'_>,
    (now, expires_in): (SystemTime, Duration),
) -> Result<Sensitive<String>, String> {
    let url = format!("{}?{query}", place.url);
    let request = Unsigned {
        method: Method::Get,
        url: &url,
        headers,
        body: b"",
    };
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires_in);
    let instructions = request.sign(service, place, signer, now, settings)?;
    let (_, mut parameters) = instructions.ok_or("nobody signs it")?.into_parts();
    // As the AWS CLI has it, which those may expect who look at a token; to STS the order is nothing.
    if let Some(at) = parameters.iter().position(|(name, _)| *name == "X-Amz-Signature") {
        let signature = parameters.remove(at);
        parameters.push(signature);
    }
    let signature = parameters
        .iter()
        .map(|(name, value)| format!("&{name}={}", http::percent_encode(value)));
    Ok(Sensitive::new(url + &signature.collect::<String>()))
}

struct Unsigned<'a> {
    method: Method,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Unsigned<'_> {
    fn sign(
        &self,
        service: Service,
        place: &Place,
        signer: Signer<'_>,
        now: SystemTime,
        settings: SigningSettings,
    ) -> Result<Option<SigningInstructions>, String> {
        let Some(credentials) = signer.for_signing() else {
            return Ok(None);
        };
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&place.signing_region)
            .name(service.signing_name())
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let headers = self.headers.iter().copied();
        let body = SignableBody::Bytes(self.body);
        let signable =
            SignableRequest::new(self.method.name(), self.url, headers, body).map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
        Ok(Some(instructions))
    }
}
