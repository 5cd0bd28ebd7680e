//! A proxy's address, as people write it.

use std::fmt;

use ureq::http::Uri;

use super::url::base_url;
use crate::error::one_line;
use crate::sensitive::Sensitive;

/// A proxy, and who may use it.
#[derive(Clone, Debug)]
pub struct ProxyAddress {
    pub(super) scheme: ProxyScheme,
    /// `http://host:port`, for the resolver; an IPv6 address in brackets.
    pub(super) uri: Uri,
    pub(super) login: Option<Login>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxyScheme {
    Http,
    /// HTTP over TLS.
    Https,
    /// RFC 1928. `socks5` and `socks5h` are the same here, as they are for `kubectl`: the proxy resolves the name. For curl
    /// `socks5` resolves it on this side, which fails where only the proxy can see the server's name.
    Socks5,
}

impl ProxyScheme {
    fn name(self) -> &'static str {
        match self {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
        }
    }

    /// As for any URL of that scheme (RFC 1928 for SOCKS), as Go and the AWS CLI have it. curl alone takes 1080 for `http`.
    fn default_port(self) -> u16 {
        match self {
            ProxyScheme::Http => 80,
            ProxyScheme::Https => 443,
            ProxyScheme::Socks5 => 1080,
        }
    }
}

/// A user name and a password, percent-decoded, neither longer than 255 bytes.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: Sensitive<String>,
    pub(super) password: Sensitive<String>,
}

/// A text that names no proxy. It does not repeat the text, which may hold a password.
#[derive(Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// There is none.
    NoScheme,
    /// This one is not spoken.
    Scheme(String),
    /// No host, or what is none, or no port where one should be.
    Host,
    /// The user name or the password is badly encoded.
    Login,
    /// The user name or the password is longer than any proxy takes.
    LongLogin,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::NoScheme => f.write_str("it has no scheme; expected `http://host:port`"),
            ProxyError::Scheme(scheme) => write!(
                f,
                "its scheme is `{scheme}`; expected `http`, `https`, `socks5` or `socks5h`"
            ),
            ProxyError::Host => f.write_str("it is no URL of a host; expected `http://host:port`"),
            ProxyError::Login => f.write_str(
                "its user name or password has a `%` that begins no percent-encoding, or a control character; write `%` as \
                 `%25`",
            ),
            ProxyError::LongLogin => f.write_str("its user name or password is longer than 255 bytes"),
        }
    }
}

impl ProxyAddress {
    /// Reads `scheme://user:password@host:port`; user, password and port may be missing, and what follows is ignored, as it is
    /// by curl and Go.
    ///
    /// # Errors
    ///
    /// When it is no URL, or not of a proxy that this program can speak to.
    pub fn parse(text: &str) -> Result<ProxyAddress, ProxyError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::NoScheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyScheme::Http,
            "https" => ProxyScheme::Https,
            "socks5" | "socks5h" => ProxyScheme::Socks5,
            // With an `@` before it, it is part of a password.
            _ if scheme.contains(['@', ':']) => return Err(ProxyError::NoScheme),
            _ => return Err(ProxyError::Scheme(one_line(scheme))),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(self::login(login)?), host),
            None => (None, authority),
        };
        let with_port = |host: &str| {
            let url = base_url(&format!("http://{host}"))?;
            let uri: Uri = url.parse().ok()?;
            match uri.port_u16() {
                Some(_) => Some(uri),
                None => format!("{url}:{}", scheme.default_port()).parse().ok(),
            }
        };
        let uri = with_port(host).ok_or(ProxyError::Host)?;
        Ok(ProxyAddress { scheme, uri, login })
    }
}

/// Without what may be secret.
impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.scheme.name())
    }
}

fn login(text: &str) -> Result<Login, ProxyError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decoded = |text| percent_decode(text).map(Sensitive::new).ok_or(ProxyError::Login);
    let login = Login {
        user: decoded(user)?,
        password: decoded(password)?,
    };
    let too_long = |part: &Sensitive<String>| part.expose().len() > 255;
    if too_long(&login.user) || too_long(&login.password) {
        return Err(ProxyError::LongLogin);
    }
    Ok(login)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            (digit(bytes.next())? * 16 + digit(bytes.next())?) as u8
        } else {
            byte
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (!decoded.contains(char::is_control)).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown, login) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("http://proxy", "http://proxy:80", None),
            ("HTTPS://proxy/", "https://proxy:443", None),
            ("socks5://proxy", "socks5://proxy:1080", None),
            ("socks5h://10.0.0.1:9050", "socks5://10.0.0.1:9050", None),
            ("http://[::1]:3128/path?query#fragment", "http://[::1]:3128", None),
            ("https://[::1]", "https://[::1]:443", None),
            ("http://u:p@proxy:1", "http://proxy:1", Some(("u", "p"))),
            ("http://u@proxy:1", "http://proxy:1", Some(("u", ""))),
            ("http://:p@proxy:1", "http://proxy:1", Some(("", "p"))),
            ("http://u:p:q@r@proxy:1", "http://proxy:1", Some(("u", "p:q@r"))),
            (
                "http://a%40b:%2f%25%c3%b6@proxy:1",
                "http://proxy:1",
                Some(("a@b", "/%ö")),
            ),
        ] {
            let address = ProxyAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            let found = address
                .login
                .as_ref()
                .map(|login| (login.user.expose().as_str(), login.password.expose().as_str()));
            assert_eq!(found, login, "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("http://u:{}@proxy", "x".repeat(256));
        for (text, error) in [
            ("", ProxyError::NoScheme),
            ("proxy:3128", ProxyError::NoScheme),
            ("u:secret@x://proxy", ProxyError::NoScheme),
            ("ftp://proxy", ProxyError::Scheme("ftp".into())),
            ("socks4://proxy", ProxyError::Scheme("socks4".into())),
            ("http://", ProxyError::Host),
            ("http:///x", ProxyError::Host),
            ("http://u:p@", ProxyError::Host),
            ("http://proxy:port", ProxyError::Host),
            ("http://proxy:", ProxyError::Host),
            ("http://proxy:99999", ProxyError::Host),
            ("http://two words", ProxyError::Host),
            ("http://::1:3128", ProxyError::Host),
            ("http://u:50%@proxy", ProxyError::Login),
            ("http://u:%zz@proxy", ProxyError::Login),
            ("http://u:%0d%0a@proxy", ProxyError::Login),
            ("http://u:%ff@proxy", ProxyError::Login),
            (&*long, ProxyError::LongLogin),
        ] {
            assert_eq!(ProxyAddress::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn a_login_is_never_shown() {
        let address = ProxyAddress::parse("http://somebody:secret@proxy:3128").unwrap();
        let shown = format!("{address} {address:?} {:?}", Some(&address));
        assert!(!shown.contains("somebody") && !shown.contains("secret"), "{shown}");
    }
}
