//! Through which proxy a request goes, if through any.

use ureq::http::Uri;

use super::no_proxy::NoProxy;
use super::proxy_address::{ProxyAddress, ProxyError};

/// The way to a server.
#[derive(Clone, Debug)]
pub enum Proxy {
    /// Straight.
    None,
    /// Always through this one: a kubeconfig's `proxy-url`.
    One(ProxyAddress),
    /// As the variables say.
    ByVariables(ProxyVariables),
}

/// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
#[derive(Clone, Debug, Default)]
pub struct ProxyVariables {
    https: Option<(&'static str, ProxyAddress)>,
    http: Option<(&'static str, ProxyAddress)>,
    except: NoProxy,
}

impl ProxyVariables {
    /// Reads the variables. Where one is set in lower case and in capitals, the lower case counts, as for curl and Go. A proxy
    /// without a scheme is `http://`. `HTTP_PROXY` in capitals is read as well, which curl does not do for fear of CGI.
    ///
    /// # Errors
    ///
    /// The variable that names no proxy, and why.
    pub fn read<'e>(
        set: impl Fn(&'static str) -> Option<&'e str>,
    ) -> Result<ProxyVariables, (&'static str, ProxyError)> {
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, set(name)?)));
        let proxy = |names| match first(names) {
            None => Ok(None),
            Some((name, text)) => {
                let address = if text.contains("://") {
                    ProxyAddress::parse(text)
                } else {
                    ProxyAddress::parse(&format!("http://{text}"))
                };
                address
                    .map(|address| Some((name, address)))
                    .map_err(|error| (name, error))
            }
        };
        Ok(ProxyVariables {
            https: proxy(["https_proxy", "HTTPS_PROXY"])?,
            http: proxy(["http_proxy", "HTTP_PROXY"])?,
            except: first(["no_proxy", "NO_PROXY"]).map_or_else(NoProxy::default, |(_, list)| NoProxy::parse(list)),
        })
    }
}

/// A proxy that a request goes through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'p> {
    pub(super) address: &'p ProxyAddress,
    /// The setting that names it.
    pub(super) setting: &'static str,
}

impl Proxy {
    /// The proxy for requests to this URL, if there is one.
    pub(super) fn hop(&self, url: &Uri) -> Option<Hop<'_>> {
        match self {
            Proxy::None => None,
            Proxy::One(address) => Some(Hop {
                address,
                setting: "proxy-url",
            }),
            Proxy::ByVariables(variables) => {
                let (host, port) = host_and_port(url)?;
                let named = if url.scheme_str() == Some("https") {
                    &variables.https
                } else {
                    &variables.http
                };
                let (setting, address) = named.as_ref()?;
                (!variables.except.excepts(host, port)).then_some(Hop { address, setting })
            }
        }
    }
}

/// The host of a URL, an IPv6 address in its brackets, and its port.
pub(super) fn host_and_port(url: &Uri) -> Option<(&str, u16)> {
    let default = if url.scheme_str() == Some("https") { 443 } else { 80 };
    Some((url.host()?, url.port_u16().unwrap_or(default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &'static str)]) -> Proxy {
        let set = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        Proxy::ByVariables(ProxyVariables::read(set).unwrap())
    }

    fn way(proxy: &Proxy, url: &str) -> String {
        match proxy.hop(&url.parse().unwrap()) {
            Some(hop) => format!("{} by {}", hop.address, hop.setting),
            None => "direct".into(),
        }
    }

    #[test]
    fn the_scheme_of_the_url_and_no_proxy_decide() {
        let both = variables(&[
            ("HTTPS_PROXY", "http://a:1"),
            ("HTTP_PROXY", "b:2"),
            ("NO_PROXY", "internal,x.org:8443"),
        ]);
        assert_eq!(way(&both, "https://iam.amazonaws.com/"), "http://a:1 by HTTPS_PROXY");
        assert_eq!(way(&both, "http://iam.amazonaws.com/"), "http://b:2 by HTTP_PROXY");
        assert_eq!(way(&both, "https://iam.internal/"), "direct");
        assert_eq!(way(&both, "https://x.org/"), "http://a:1 by HTTPS_PROXY");
        assert_eq!(way(&both, "https://x.org:8443/"), "direct");
        assert_eq!(way(&variables(&[]), "https://x.org/"), "direct");
        let one = variables(&[("HTTP_PROXY", "b:2")]);
        assert_eq!(way(&one, "https://x.org/"), "direct");
    }

    #[test]
    fn lower_case_wins() {
        let both = variables(&[
            ("HTTPS_PROXY", "http://a:1"),
            ("https_proxy", "https://b:2"),
            ("NO_PROXY", "x.org"),
            ("no_proxy", "y.org"),
        ]);
        assert_eq!(way(&both, "https://x.org/"), "https://b:2 by https_proxy");
        assert_eq!(way(&both, "https://y.org/"), "direct");
    }

    #[test]
    fn no_proxy_is_for_the_variables() {
        let one = Proxy::One(ProxyAddress::parse("socks5://p").unwrap());
        assert_eq!(way(&one, "https://10.0.0.1:6443/"), "socks5://p:1080 by proxy-url");
        assert_eq!(way(&Proxy::None, "https://10.0.0.1:6443/"), "direct");
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_named() {
        let set = |name: &str| (name == "http_proxy").then_some("socks4://p");
        let error = ProxyVariables::read(set).unwrap_err();
        assert_eq!(error, ("http_proxy", ProxyError::Scheme("socks4".into())));
    }
}
