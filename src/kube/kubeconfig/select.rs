//! Several kubeconfigs become one, and a context names a cluster and a user in it.

use std::collections::BTreeMap;

use super::Error;
use super::file::{Cluster, Config, Context, User};
use crate::error::one_line;

/// What a context comes to.
#[derive(Debug)]
pub struct Choice<'c> {
    /// The context itself.
    pub context: &'c Context,
    /// The cluster, with its name.
    pub cluster: (&'c str, &'c Cluster),
    /// The user, with its name. A context may do without.
    pub user: Option<(&'c str, &'c User)>,
}

impl Config {
    /// Adds what `later` has and this has not. Things are taken whole: the first file that has a user is right about it, and
    /// what another says of the same user is not looked at.
    #[must_use]
    pub fn or(mut self, later: Config) -> Config {
        fn fill<T>(first: &mut BTreeMap<String, T>, later: BTreeMap<String, T>) {
            for (name, thing) in later {
                first.entry(name).or_insert(thing);
            }
        }
        self.current_context = self.current_context.or(later.current_context);
        fill(&mut self.contexts, later.contexts);
        fill(&mut self.clusters, later.clusters);
        fill(&mut self.users, later.users);
        self
    }

    /// The cluster and the user of the context `named`, or of the current one.
    ///
    /// # Errors
    ///
    /// When one of the three is not there. (kubectl takes a cluster that is not there for one at `localhost:8080`, and asks
    /// on the terminal for a user that is not.)
    pub fn choose(&self, named: Option<&str>) -> Result<Choice<'_>, Error> {
        let (named_by, name) = match (named, &self.current_context) {
            (Some(name), _) => ("`--context`", name),
            (None, Some(name)) => ("`current-context`", name.as_str()),
            (None, None) => {
                return Err(Error::NoContext {
                    known: names(&self.contexts),
                });
            }
        };
        let context = find(&self.contexts, "context", name, || named_by.to_owned())?.1;
        let by_context = || format!("context `{}`", one_line(name));
        let Some(cluster) = &context.cluster else {
            return Err(Error::Useless {
                kind: "context",
                name: one_line(name),
                why: "it names no `cluster`".into(),
            });
        };
        Ok(Choice {
            context,
            cluster: find(&self.clusters, "cluster", cluster, by_context)?,
            user: match &context.user {
                None => None,
                Some(user) => Some(find(&self.users, "user", user, by_context)?),
            },
        })
    }
}

fn find<'c, T>(
    all: &'c BTreeMap<String, T>,
    kind: &'static str,
    name: &str,
    named_by: impl Fn() -> String,
) -> Result<(&'c str, &'c T), Error> {
    match all.get_key_value(name) {
        Some((name, thing)) => Ok((name, thing)),
        None => Err(Error::Unknown {
            named_by: named_by(),
            kind,
            name: one_line(name),
            known: names(all),
        }),
    }
}

fn names<T>(all: &BTreeMap<String, T>) -> Vec<String> {
    all.keys().map(|name| one_line(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("/")).unwrap()
    }

    const TWO: &str = "contexts: [{name: x, context: {cluster: c, user: u}}, {name: 'y', context: {cluster: c}}]\n\
        clusters: [{name: c, cluster: {server: https://h}}]\n\
        users: [{name: u, user: {token: t}}]\n";

    #[test]
    fn the_first_file_that_has_a_thing_is_right_about_all_of_it() {
        let first = config(TWO);
        let second = config(
            "current-context: 'y'\ncontexts: [{name: x, context: {cluster: d, namespace: ns}}, {name: z}]\n\
             clusters: [{name: c, cluster: {server: https://other, tls-server-name: ns}}, {name: d, cluster: {server: https://d}}]\n",
        );
        let merged = first.or(second);
        assert_eq!(merged.current_context.as_deref(), Some("y"));
        assert_eq!(merged.contexts["x"].namespace, None);
        assert_eq!(merged.contexts.len(), 3);
        assert_eq!(merged.clusters["c"].server.as_deref(), Some("https://h"));
        assert_eq!(merged.clusters["c"].tls_server_name, None);
        assert_eq!(merged.clusters["d"].server.as_deref(), Some("https://d"));
    }

    #[test]
    fn a_flag_counts_before_the_current_context() {
        let config = config(&format!("{TWO}current-context: x\n"));
        let chosen = config.choose(None).unwrap();
        assert_eq!((chosen.cluster.0, chosen.user.unwrap().0), ("c", "u"));
        assert!(config.choose(Some("y")).unwrap().user.is_none());
    }

    #[test]
    fn what_is_named_must_be_there() {
        for (more, named, expected) in [
            (
                "",
                None,
                "the kubeconfig has no `current-context`; name a context by `--context`; there is `x`, `y`",
            ),
            (
                "current-context: z",
                None,
                "`current-context` names the context `z`, which no kubeconfig has; there is `x`, `y`",
            ),
            (
                "current-context: x",
                Some("z"),
                "`--context` names the context `z`, which no kubeconfig has; there is `x`, `y`",
            ),
        ] {
            let config = config(&format!("{TWO}{more}\n"));
            assert_eq!(config.choose(named).unwrap_err().to_string(), expected);
        }
        for (context, expected) in [
            ("{}", "context `x` of the kubeconfig: it names no `cluster`"),
            (
                "{cluster: d}",
                "context `x` names the cluster `d`, which no kubeconfig has",
            ),
        ] {
            let config = config(&format!(
                "current-context: x\ncontexts: [{{name: x, context: {context}}}]\n"
            ));
            assert_eq!(config.choose(None).unwrap_err().to_string(), expected);
        }
        let config = config(&TWO.replace("user: u}", "user: v}"));
        assert_eq!(
            config.choose(Some("x")).unwrap_err().to_string(),
            "context `x` names the user `v`, which no kubeconfig has; there is `u`"
        );
    }
}
