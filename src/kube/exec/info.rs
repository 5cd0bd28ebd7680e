//! What a plugin is told: the `ExecCredential` in `KUBERNETES_EXEC_INFO`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Version;
use crate::sensitive::Sensitive;

/// The cluster that credentials are wanted for, as a plugin is told of it.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Its URL, as the kubeconfig has it.
    pub server: String,
    /// The name on its certificate, where that is another.
    pub tls_server_name: Option<String>,
    /// Its certificate is not checked.
    pub insecure_skip_tls_verify: bool,
    /// The authorities to trust, PEM.
    pub certificate_authority_data: Option<Vec<u8>>,
    /// The proxy on the way to it.
    pub proxy_url: Option<Sensitive<String>>,
    /// Answers are not to be compressed.
    pub disable_compression: bool,
    /// The extension `client.authentication.k8s.io/exec` of the kubeconfig's cluster.
    pub config: Option<Value>,
}

/// The value of `KUBERNETES_EXEC_INFO`, with the line's end that client-go gives it.
pub(super) fn exec_info(version: Version, interactive: bool, cluster: Option<&Cluster>) -> Sensitive<String> {
    let mut spec = json!({ "interactive": interactive });
    if let Some(cluster) = cluster {
        spec["cluster"] = described(cluster);
    }
    let info = json!({ "apiVersion": version.to_string(), "kind": "ExecCredential", "spec": spec });
    Sensitive::new(format!("{info}\n"))
}

/// What says nothing is left out, but for the server and the extension, as client-go has it.
fn described(cluster: &Cluster) -> Value {
    let mut all = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value);
        }
    };
    let flag = |flag: bool| flag.then_some(Value::Bool(true));
    set("server", Some(cluster.server.clone().into()));
    set("tls-server-name", cluster.tls_server_name.clone().map(Value::from));
    set("insecure-skip-tls-verify", flag(cluster.insecure_skip_tls_verify));
    let data = cluster.certificate_authority_data.as_ref();
    set(
        "certificate-authority-data",
        data.map(|data| STANDARD.encode(data).into()),
    );
    let proxy = cluster.proxy_url.as_ref();
    set("proxy-url", proxy.map(|url| url.expose().clone().into()));
    set("disable-compression", flag(cluster.disable_compression));
    set("config", Some(cluster.config.clone().unwrap_or_default()));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_told_of_the_cluster_only_if_it_wants_to() {
        assert_eq!(
            exec_info(Version::V1Beta1, true, None).expose(),
            "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\
             \"spec\":{\"interactive\":true}}\n"
        );
        let cluster = Cluster {
            server: "https://h".into(),
            certificate_authority_data: Some(b"pem".to_vec()),
            config: Some(json!({"audience": "x"})),
            ..Cluster::default()
        };
        assert_eq!(
            exec_info(Version::V1, false, Some(&cluster)).expose(),
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"spec\":{\"cluster\":\
             {\"certificate-authority-data\":\"cGVt\",\"config\":{\"audience\":\"x\"},\"server\":\"https://h\"},\
             \"interactive\":false}}\n"
        );
    }
}
