//! Plain `http` through an HTTP proxy: the proxy is told the whole URL, and passes the request on.

use std::fmt;

use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use crate::sensitive::Sensitive;

/// A connection to a proxy that one request is sent over. It is not used for a second one: only the first head is rewritten.
pub(super) struct Forward {
    proxy: Box<dyn Transport>,
    /// `http://host:port`, what stands before the path in the request line.
    origin: String,
    /// The value of `Proxy-Authorization`.
    login: Option<Sensitive<String>>,
    begun: bool,
}

impl Forward {
    pub(super) fn new(proxy: Box<dyn Transport>, origin: String, login: Option<Sensitive<String>>) -> Forward {
        Forward {
            proxy,
            origin,
            login,
            begun: false,
        }
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

impl Transport for Forward {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.proxy.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.begun {
            return self.proxy.transmit_output(amount, timeout);
        }
        self.begun = true;
        // ureq writes the request line in one piece, and the head before the body.
        let head = Sensitive::new(self.proxy.buffers().output()[..amount].to_vec());
        let Some(head) = in_absolute_form(head.expose(), &self.origin, self.login.as_ref()) else {
            return Err(ureq::Error::BadUri(self.origin.clone()));
        };
        let mut rest = head.expose().as_slice();
        while !rest.is_empty() {
            let output = self.proxy.buffers().output();
            let some = rest.len().min(output.len());
            output[..some].copy_from_slice(&rest[..some]);
            self.proxy.transmit_output(some, timeout)?;
            rest = &rest[some..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.proxy.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

/// The beginning of a request with the whole URL in its first line (RFC 9112, section 3.2.2). `None` when it does not begin
/// with a request line.
fn in_absolute_form(head: &[u8], origin: &str, login: Option<&Sensitive<String>>) -> Option<Sensitive<Vec<u8>>> {
    let path = head.iter().position(|byte| *byte == b' ')? + 1;
    let line = head.windows(2).position(|two| two == b"\r\n")? + 2;
    if path > line || head.get(path) != Some(&b'/') {
        return None;
    }
    let authorization = match login {
        Some(login) => Sensitive::new(format!("proxy-authorization: {}\r\n", login.expose())),
        None => Sensitive::new(String::new()),
    };
    let parts = [
        &head[..path],
        origin.as_bytes(),
        &head[path..line],
        authorization.expose().as_bytes(),
        &head[line..],
    ];
    let mut whole = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    Some(Sensitive::new(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(head: &str, login: Option<&str>) -> Option<String> {
        let login = login.map(|login| Sensitive::new(login.to_owned()));
        let whole = in_absolute_form(head.as_bytes(), "http://h:8080", login.as_ref())?;
        Some(String::from_utf8(whole.expose().clone()).unwrap())
    }

    #[test]
    fn the_first_line_has_the_whole_url() {
        assert_eq!(
            rewritten("POST /?a=b HTTP/1.1\r\nhost: h:8080\r\n\r\nbody /x", None).as_deref(),
            Some("POST http://h:8080/?a=b HTTP/1.1\r\nhost: h:8080\r\n\r\nbody /x")
        );
        assert_eq!(
            rewritten("GET / HTTP/1.1\r\nhost: h\r\n\r\n", Some("Basic eDp5")).as_deref(),
            Some("GET http://h:8080/ HTTP/1.1\r\nproxy-authorization: Basic eDp5\r\nhost: h\r\n\r\n")
        );
        for none in ["", "GET", "GET / HTTP/1.1", "GET x HTTP/1.1\r\n", "a\r\nb /"] {
            assert_eq!(rewritten(none, None), None, "{none}");
        }
    }
}
