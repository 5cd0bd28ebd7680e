//! SOCKS 5 (RFC 1928), with a user name and a password (RFC 1929), over any stream. The proxy resolves the server's name.

use std::io::{Read, Write};
use std::net::IpAddr;

use super::proxy_address::Login;
use super::proxy_failure::{ProxyProblem, Stopped};
use crate::sensitive::Sensitive;

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

/// Has the proxy connect to a server. What is read behind it is the server's, and not a byte of that is taken.
pub(super) fn connect(
    stream: &mut (impl Read + Write),
    host: &str,
    port: u16,
    login: Option<&Login>,
) -> Result<(), Stopped> {
    match login {
        None => stream.write_all(&[VERSION, 1, NO_LOGIN])?,
        Some(_) => stream.write_all(&[VERSION, 2, NO_LOGIN, BY_PASSWORD])?,
    }
    let [version, method] = read(stream)?;
    if version != VERSION {
        return Err(ProxyProblem::NoProxy.into());
    }
    match (method, login) {
        (NO_LOGIN, _) => {}
        (BY_PASSWORD, Some(login)) => {
            stream.write_all(login_request(login).expose())?;
            let [_, status] = read(stream)?;
            if status != 0 {
                return Err(ProxyProblem::Login.into());
            }
        }
        (NO_METHOD, _) => return Err(ProxyProblem::Login.into()),
        _ => return Err(ProxyProblem::NoProxy.into()),
    }
    stream.write_all(&connect_request(host, port))?;
    let [version, code, _, kind] = read(stream)?;
    if version != VERSION {
        return Err(ProxyProblem::NoProxy.into());
    }
    if code != 0 {
        return Err(ProxyProblem::Socks(code).into());
    }
    // The address that the proxy connects from, which nobody here needs, and its port.
    let length = match kind {
        1 => 4,
        3 => usize::from(read::<1>(stream)?[0]),
        4 => 16,
        _ => return Err(ProxyProblem::NoProxy.into()),
    };
    stream.read_exact(&mut vec![0; length + 2])?;
    Ok(())
}

fn read<const N: usize>(stream: &mut impl Read) -> Result<[u8; N], Stopped> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn login_request(login: &Login) -> Sensitive<Vec<u8>> {
    let (user, password) = (login.user.expose().as_bytes(), login.password.expose().as_bytes());
    let mut bytes = Vec::with_capacity(3 + user.len() + password.len());
    bytes.push(LOGIN_VERSION);
    for part in [user, password] {
        // Neither is longer than 255 bytes, see `Login`.
        bytes.push(part.len() as u8);
        bytes.extend_from_slice(part);
    }
    Sensitive::new(bytes)
}

fn connect_request(host: &str, port: u16) -> Vec<u8> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut bytes = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            bytes.push(1);
            bytes.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            bytes.push(4);
            bytes.extend_from_slice(&address.octets());
        }
        Err(_) => {
            // No host name is longer than 253 bytes; the rest of a longer one would resolve no better.
            let name = &host.as_bytes()[..host.len().min(255)];
            bytes.extend_from_slice(&[3, name.len() as u8]);
            bytes.extend_from_slice(name);
        }
    }
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::said::{Said, end};
    use super::*;

    fn login() -> Login {
        Login {
            user: Sensitive::new("me".into()),
            password: Sensitive::new("pw".into()),
        }
    }

    fn run(host: &str, login: Option<&Login>, answers: &[u8]) -> (String, Vec<u8>, usize) {
        let mut proxy = Said::new(answers);
        let end = end(connect(&mut proxy, host, 443, login));
        (end, proxy.sent.clone(), answers.len() - proxy.unread().len())
    }

    #[test]
    fn what_is_sent() {
        let (end, sent, read) = run("h.org", None, b"\x05\x00\x05\x00\x00\x01\x01\x02\x03\x04\x00\x50rest");
        assert_eq!(end, "connected");
        assert_eq!(sent, b"\x05\x01\x00\x05\x01\x00\x03\x05h.org\x01\xbb");
        // What follows is the server's.
        assert_eq!(read, 12);
        let (end, sent, _) = run("10.0.0.1", None, b"\x05\x00\x05\x00\x00\x03\x02ab\x00\x50");
        assert_eq!(end, "connected");
        assert_eq!(sent, b"\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x01\xbb");
        let v6 = [&b"\x05\x00\x05\x00\x00\x04"[..], &[0; 18]].concat();
        let (end, sent, _) = run("[::1]", None, &v6);
        assert_eq!(end, "connected");
        assert_eq!(sent[6..8], [4, 0]);
        assert_eq!(sent[7..23], std::net::Ipv6Addr::LOCALHOST.octets());
    }

    #[test]
    fn a_login_is_sent_where_it_is_asked_for() {
        let (end, sent, _) = run("h", Some(&login()), b"\x05\x02\x01\x00\x05\x00\x00\x01\0\0\0\0\0\0");
        assert_eq!(end, "connected");
        assert_eq!(sent, b"\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x03\x01h\x01\xbb");
        let (end, sent, _) = run("h", Some(&login()), b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0");
        assert_eq!(end, "connected");
        assert!(
            !sent.windows(2).any(|two| two == b"pw"),
            "the password was sent unasked"
        );
    }

    #[test]
    fn refusals() {
        for (login, answers, end) in [
            (None, &b"\x05\xff"[..], "Login"),
            (Some(login()), b"\x05\xff", "Login"),
            (Some(login()), b"\x05\x02\x01\x01", "Login"),
            // It takes a login that was not offered.
            (None, b"\x05\x02", "NoProxy"),
            (None, b"\x05\x01", "NoProxy"),
            (None, b"HTTP/1.1 400 Bad Request\r\n", "NoProxy"),
            (None, b"\x04\x00", "NoProxy"),
            (None, b"\x05\x00\x05\x02\x00\x01", "Socks(2)"),
            (None, b"\x05\x00\x04\x00\x00\x01", "NoProxy"),
            (None, b"\x05\x00\x05\x00\x00\x09", "NoProxy"),
            (None, b"\x05", "unexpected end of file"),
            (None, b"\x05\x00\x05\x00\x00\x01\x01", "unexpected end of file"),
        ] {
            assert_eq!(run("h", login.as_ref(), answers).0, end, "{answers:?}");
        }
    }
}
