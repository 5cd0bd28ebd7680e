//! A tunnel through an HTTP proxy, by the method `CONNECT` (RFC 9110, section 9.3.6), over any stream.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::USER_AGENT;
use super::proxy_address::Login;
use super::proxy_failure::{ProxyProblem, Stopped};
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// The longest head of a proxy's answer that is read, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// Has the proxy connect to a server, `host:port`. What is read behind its answer is the server's, and not a byte of that is
/// taken.
pub(super) fn connect(stream: &mut (impl Read + Write), target: &str, login: Option<&Login>) -> Result<(), Stopped> {
    let authorization = match login {
        Some(login) => Sensitive::new(format!("Proxy-Authorization: {}\r\n", basic(login).expose())),
        None => Sensitive::new(String::new()),
    };
    let request = Sensitive::new(format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n{}\r\n",
        authorization.expose()
    ));
    stream.write_all(request.expose().as_bytes())?;
    let mut left = HEAD_LIMIT;
    loop {
        let head = read_head(stream, &mut left)?;
        match status(&head).ok_or(ProxyProblem::NoProxy)? {
            100..=199 => {}
            200..=299 => return Ok(()),
            // tinyproxy answers 401 to a login that is wrong.
            401 | 407 => return Err(login_problem(challenges(&head)).into()),
            status => return Err(ProxyProblem::Status(status).into()),
        }
    }
}

/// The value of `Proxy-Authorization` (RFC 7617).
pub(super) fn basic(login: &Login) -> Sensitive<String> {
    let pair = Sensitive::new(format!("{}:{}", login.user.expose(), login.password.expose()));
    let encoded = Sensitive::new(STANDARD.encode(pair.expose()));
    Sensitive::new(format!("Basic {}", encoded.expose()))
}

/// What a proxy wants that has answered 407 with these values of `Proxy-Authenticate`.
pub(super) fn login_problem<'c>(challenges: impl Iterator<Item = &'c str>) -> ProxyProblem {
    let schemes: Vec<&str> = challenges
        .filter_map(|value| value.split_ascii_whitespace().next())
        .collect();
    if schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic")) {
        ProxyProblem::Login
    } else {
        ProxyProblem::LoginBy(one_line(&schemes.join(", ")))
    }
}

/// Reads the head of an answer, byte by byte.
fn read_head(stream: &mut impl Read, left: &mut usize) -> Result<String, Stopped> {
    const START: &[u8] = b"HTTP/1.";
    let mut head: Vec<u8> = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
        *left -= 1;
        // Whoever speaks otherwise may wait for us now: no more is read than shows it.
        let speaks_http = head.iter().zip(START).all(|(is, should)| is == should);
        if !speaks_http || *left == 0 {
            return Err(ProxyProblem::NoProxy.into());
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn status(head: &str) -> Option<u16> {
    let code = head.lines().next()?.split_ascii_whitespace().nth(1)?;
    let status = code.parse().ok().filter(|status| (100..600).contains(status));
    status.filter(|_| code.len() == 3)
}

fn challenges(head: &str) -> impl Iterator<Item = &str> {
    head.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authenticate").then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::super::said::{Said, end};
    use super::*;

    /// How it ends, and what is left to read.
    fn answered(answer: &str) -> (String, String) {
        let mut proxy = Said::new(answer.as_bytes());
        let end = end(connect(&mut proxy, "h:443", None));
        (end, String::from_utf8_lossy(proxy.unread()).into_owned())
    }

    #[test]
    fn what_is_sent() {
        let login = Login {
            user: Sensitive::new("me".into()),
            password: Sensitive::new("p:w".into()),
        };
        for (login, authorization) in [(None, ""), (Some(&login), "Proxy-Authorization: Basic bWU6cDp3\r\n")] {
            let mut proxy = Said::new(b"HTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(end(connect(&mut proxy, "[::1]:443", login)), "connected");
            assert_eq!(
                String::from_utf8_lossy(&proxy.sent),
                format!(
                    "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: {USER_AGENT}\r\n{authorization}\r\n"
                )
            );
        }
    }

    #[test]
    fn the_answer() {
        for (answer, end, rest) in [
            (
                "HTTP/1.1 200 Connection established\r\n\r\n\x16\x03",
                "connected",
                "\x16\x03",
            ),
            ("HTTP/1.0 200\r\nVia: x\r\n\r\n", "connected", ""),
            ("HTTP/1.1 200 OK\nVia: x\n\nrest", "connected", "rest"),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nx",
                "connected",
                "x",
            ),
            ("HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nno!", "Login", "no!"),
            (
                "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
                "Login",
                "",
            ),
            (
                "HTTP/1.1 407 No\r\nproxy-authenticate: NTLM\r\nProxy-Authenticate:basic\r\n\r\n",
                "Login",
                "",
            ),
            (
                "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM x\r\n\r\n",
                "LoginBy(\"Negotiate, NTLM\")",
                "",
            ),
            ("HTTP/1.1 401 No\r\n\r\n", "Login", ""),
            ("HTTP/1.1 403 No\r\n\r\n", "Status(403)", ""),
            ("HTTP/1.1 302 No\r\n\r\n", "Status(302)", ""),
            ("HTTP/1.1 20 OK\r\n\r\n", "NoProxy", ""),
            ("HTTP/1.1 0200 OK\r\n\r\n", "NoProxy", ""),
            ("HTTP/1.1 999 OK\r\n\r\n", "NoProxy", ""),
            ("HTTP/1.1\r\n\r\n", "NoProxy", ""),
            ("HTTP/2 200\r\n\r\n", "NoProxy", " 200\r\n\r\n"),
            ("SSH-2.0-OpenSSH\r\n", "NoProxy", "SH-2.0-OpenSSH\r\n"),
            ("\x15\x03\x01", "NoProxy", "\x03\x01"),
            ("HTTP/1.1 200 OK\r\n", "unexpected end of file", ""),
            ("", "unexpected end of file", ""),
        ] {
            assert_eq!(answered(answer), (end.to_owned(), rest.to_owned()), "{answer:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_LIMIT));
        assert_eq!(answered(&endless).0, "NoProxy");
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD_LIMIT);
        assert_eq!(answered(&interim).0, "NoProxy");
    }
}
