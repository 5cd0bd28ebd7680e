//! URLs, as far as this program puts them together itself.

/// Percent-encoding for a query or a form: all but RFC 3986's unreserved characters.
pub fn percent_encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let encode = |b: u8| {
        if keep(b) {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

/// A base URL in the form that requests are built on: `http` or `https`, a host, perhaps a port and a path, nothing else,
/// and no slash at its end. `None` for anything else.
pub fn base_url(text: &str) -> Option<String> {
    let uri: ureq::http::Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let host = authority.host();
    // The parser lets through what is no port, and what follows an address in brackets.
    let whole = match authority.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let fits = matches!(uri.scheme_str(), Some("http" | "https"))
        && !host.is_empty()
        && authority.as_str() == whole
        && uri.query().is_none()
        && !text.contains('#');
    fits.then(|| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        assert_eq!(
            base_url("https://h:6443/k8s/clusters/c-1/").as_deref(),
            Some("https://h:6443/k8s/clusters/c-1")
        );
        for good in ["http://[::1]:80", "https://10.0.0.1", "https://h"] {
            assert_eq!(base_url(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "h:6443",
            "https://",
            "https:///x",
            "https://u:p@h",
            "https://h?x",
            "https://h#x",
            "ftp://h",
            "https://h h",
            "https://h:99999",
            "https://h:",
            "https://[::1]x",
            "https://[::1",
        ] {
            assert_eq!(base_url(bad), None, "{bad}");
        }
    }
}
