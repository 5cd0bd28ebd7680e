//! The program under test as a child process with an environment of its own, and the world it is put into.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{env, fs, process, thread};

use super::aws::{AccessKey, Cloud};
use super::kube::Cluster;
use super::server::Server;
use super::tls::Authority;

/// A run that takes longer than this hangs. It is no measure of speed.
const HANGS: Duration = Duration::from_secs(150);

/// A folder for one test's files, removed with it.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "aws-iam-credential-rotate-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        );
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a new folder among the temporary files");
        Scratch(path)
    }

    /// Writes a file and tells its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file in a folder of our own");
        path
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A command line and an environment that nothing is inherited into.
#[derive(Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new(path: impl Into<PathBuf>) -> Program {
        Program {
            path: path.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    pub fn arg(mut self, argument: impl AsRef<str>) -> Program {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub fn args(self, arguments: &[&str]) -> Program {
        arguments.iter().fold(self, |program, argument| program.arg(argument))
    }

    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Program {
        self.environment.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// As it would be typed.
    pub fn command_line(&self) -> String {
        let words = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let path = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        words
            .chain([path])
            .chain(self.arguments.iter().cloned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// As a shell takes it, without the environment.
    pub fn quoted(&self) -> String {
        let quote = |word: &str| format!("'{}'", word.replace('\'', "'\\''"));
        let path = self.path.display().to_string();
        let words = [&path].into_iter().chain(&self.arguments);
        words.map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }

    /// Starts it, its output piped.
    pub fn start(&self) -> Child {
        Command::new(&self.path)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.path.display()))
    }

    /// Runs it to its end.
    pub fn run(&self) -> Run {
        let mut child = self.start();
        let (tell, ended) = mpsc::channel();
        let read = |mut from: Box<dyn Read + Send>| {
            let tell = tell.clone();
            thread::spawn(move || {
                let mut text = String::new();
                let _ = from.read_to_string(&mut text);
                let _ = tell.send(());
                text
            })
        };
        let stdout = read(Box::new(child.stdout.take().expect("a pipe")));
        let stderr = read(Box::new(child.stderr.take().expect("a pipe")));
        // Who has closed both is at its end.
        let closed = || ended.recv_timeout(HANGS).is_ok();
        if !(closed() && closed()) {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "{} hangs; it said: {}",
                self.command_line(),
                stderr.join().unwrap_or_default()
            );
        }
        let status = child.wait().expect("the status of a child of ours");
        Run {
            code: status.code(),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        }
    }
}

impl Run {
    /// What a child left that was waited for elsewhere.
    pub fn of(output: Output) -> Run {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Run {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The log without its times: `INFO  text`. AWS's request ids, which differ from run to run, are `ID`, and the
    /// stand-ins' addresses are `AWS` and `KUBE`.
    pub fn log(&self, world: &World) -> Vec<String> {
        let (aws, kube) = (format!("127.0.0.1:{}", world.aws.port()), world.kube.url());
        let lines = self
            .stderr
            .lines()
            .map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest));
        lines
            .map(|line| without_request_ids(&line.replace(&kube, "KUBE").replace(&aws, "AWS")))
            .collect()
    }
}

fn without_request_ids(line: &str) -> String {
    match line.split_once("request id ") {
        None => line.to_owned(),
        Some((before, after)) => {
            // One of moto's form is struck out, since it could be a secret.
            let after = after.trim_start_matches("[…]");
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                .unwrap_or(after.len());
            format!("{before}request id ID{}", without_request_ids(&after[end..]))
        }
    }
}

/// The program to test: the one that `PROGRAM_UNDER_TEST` names, else the one that Cargo built for this test.
pub fn under_test() -> PathBuf {
    if let Some(path) = env::var_os("PROGRAM_UNDER_TEST") {
        return path.into();
    }
    // Cargo sets it for tests, and not for the sandbox, which has its own way to a program.
    let Some(path) = option_env!("CARGO_BIN_EXE_aws-iam-credential-rotate") else {
        panic!("no program to test: set `PROGRAM_UNDER_TEST`");
    };
    path.into()
}

/// An AWS, a Kubernetes API, a user `ci` with a key, and the way there.
pub struct World {
    pub cloud: Arc<Cloud>,
    pub aws: Server,
    pub cluster: Arc<Cluster>,
    pub kube: Server,
    pub files: Scratch,
    pub key: AccessKey,
}

/// The namespace of [`World`].
pub const NAMESPACE: &str = "t";

/// What the manifests in `deploy/` grant.
pub const VERBS: &[&str] = &["get", "list", "watch", "update"];

impl World {
    pub fn new() -> World {
        let cloud = Cloud::new();
        cloud.add_user("ci");
        let key = cloud.add_key("ci");
        let cluster = Cluster::new();
        cluster.add_namespace(NAMESPACE);
        let authority = Authority::new("cluster");
        let kube = cluster.start("127.0.0.1", authority.server(&["127.0.0.1"]));
        let files = Scratch::new();
        files.file("ca.crt", authority.pem());
        files.file(
            "token",
            cluster.token("system:serviceaccount:t:rotate", &[(NAMESPACE, VERBS)]),
        );
        World {
            aws: cloud.start(),
            cloud,
            cluster,
            kube,
            files,
            key,
        }
    }

    /// A world with the Secret `s` that holds the user's key.
    pub fn with_key_secret() -> World {
        let world = World::new();
        world.add_key_secret("s", &world.key.id, &world.key.secret);
        world
    }

    /// The Secret `s` holds a new key and its secret, the old one is gone, and one key was made.
    pub fn assert_rotated(&self) {
        let new = self.value("s", "access_key_id");
        assert_ne!(new, self.key.id);
        assert!(self.value("s", "secret_access_key") == self.cloud.secret_of(&new).unwrap());
        assert_eq!((self.key_ids(), self.cloud.create_count("ci")), (vec![new], 1));
    }

    /// The Secret `s` holds the old key, and it is the only one.
    pub fn assert_as_before(&self) {
        assert_eq!(self.value("s", "access_key_id"), self.key.id);
        assert!(self.value("s", "secret_access_key") == self.key.secret);
        assert_eq!(self.key_ids(), [self.key.id.as_str()]);
    }

    pub fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// The program, told the way to this world and nothing else.
    pub fn program(&self, path: impl Into<PathBuf>) -> Program {
        Program::new(path)
            .args(&["--server", &self.kube.url(), "--token-file", &self.file("token")])
            .args(&["--certificate-authority", &self.file("ca.crt")])
            .env("NAMESPACE", NAMESPACE)
            .env("AWS_ENDPOINT_URL", self.aws.url())
            // Nothing outside this world is asked, were the tests to run on an instance.
            .env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// The program with these arguments, run to its end in this world. Whatever a test looks at, nothing secret may be in
    /// what it printed or in an annotation, and it prints nothing to stdout.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.check(self.program(under_test()).args(arguments))
    }

    /// Runs `program`, with [`World::run`]'s checks.
    pub fn check(&self, program: Program) -> Run {
        let run = program.run();
        self.inspect(&run);
        run
    }

    /// [`World::run`]'s checks of a run that has ended.
    pub fn inspect(&self, run: &Run) {
        assert_eq!(run.stdout, "");
        self.assert_no_leak(run, &self.planted());
    }

    /// Stores the Secret `name` with this pair, labelled for `rotate`.
    pub fn add_key_secret(&self, name: &str, id: &str, secret: &str) {
        self.cluster.add_secret(serde_json::json!({
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"aws-rotate-key": "true"}},
            "stringData": {"access_key_id": id, "secret_access_key": secret},
        }));
    }

    /// Stores the image-pull Secret `name` with this value, labelled for `ecr-update`.
    pub fn add_pull_secret(&self, name: &str, source: &str, region: &str, config: &str) {
        self.cluster.add_secret(serde_json::json!({
            "metadata": {
                "name": name, "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
                "annotations": {"aws-ecr-updater/secret": source, "aws-ecr-updater/region": region},
            },
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        }));
    }

    /// Stores the image-pull Secret `name` that names no Secret with a key pair.
    pub fn add_ambient_pull_secret(&self, name: &str, region: &str) {
        self.cluster.add_secret(serde_json::json!({
            "metadata": {
                "name": name, "namespace": NAMESPACE, "labels": {"aws-ecr-updater": "true"},
                "annotations": {"aws-ecr-updater/region": region},
            },
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": "{}"},
        }));
    }

    /// The ids of the user's keys, active or not.
    pub fn key_ids(&self) -> Vec<String> {
        self.cloud.keys("ci").into_iter().map(|key| key.id).collect()
    }

    /// A data value of a Secret, as text.
    pub fn value(&self, name: &str, key: &str) -> String {
        let value = self
            .cluster
            .data(NAMESPACE, name, key)
            .unwrap_or_else(|| panic!("{name} has no {key}"));
        String::from_utf8(value).expect("text")
    }
}

impl Drop for World {
    /// Whatever a test looks at, a request that a real server would not understand fails it.
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(self.cluster.violations(), Vec::<String>::new());
        }
    }
}
