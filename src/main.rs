//! Reads arguments and environment, runs the job, exits.

use std::env;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_iam_credential_rotate::cli::{self, Parsed, Typed};
use aws_iam_credential_rotate::ecr_update::{Follow, Updater};
use aws_iam_credential_rotate::interrupt::Interrupt;
use aws_iam_credential_rotate::report::Tally;
use aws_iam_credential_rotate::settings::{Environment, Job, Settings, variables};
use aws_iam_credential_rotate::{aws, eks_token, http, kube, rotate};
use log::LevelFilter;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use time::OffsetDateTime;
use time::macros::format_description;

/// How long what is in hand may take when a signal has come. A little longer than `rotate` gives its own last steps.
const LAST_STEPS: Duration = Duration::from_secs(22);

/// Wrong usage or configuration.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    forbid_core_dumps();
    let typed = match arguments().and_then(|arguments| cli::parse(&arguments)) {
        Ok(Parsed::Run(typed)) => typed,
        Ok(Parsed::Print(text)) => {
            // Whoever closed our output does not want to hear of it.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "{message}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    log_to_stderr();
    ExitCode::from(run(&typed))
}

fn run(typed: &Typed) -> u8 {
    let resolved = environment().and_then(|environment| {
        let settings = Settings::resolve(typed, &environment).map_err(|error| error.to_string())?;
        Ok((settings, environment))
    });
    let (settings, environment) = match resolved {
        Ok(resolved) => resolved,
        Err(why) => {
            log::error!("{why}");
            return WRONG_USAGE;
        }
    };
    log::set_max_level(settings.log_level);
    let limits = settings.aws_limits;
    let eks_token =
        move |wanted: &kube::EksToken| eks_token::token(&environment, limits, wanted, OffsetDateTime::now_utc());
    let kube = Arc::new(kube::Client::new(
        settings.access,
        settings.kube_limits,
        Box::new(eks_token),
    ));
    let aws = Arc::new(aws::Client::new(
        http::Client::new(&settings.aws_connection, settings.aws_limits),
        settings.endpoints,
    ));
    let interrupt = match Interrupt::by_signals() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            log::error!("SIGTERM and SIGINT cannot be handled: {error}");
            return WRONG_USAGE;
        }
    };
    end_after_a_signal(interrupt.clone());
    let ambient = aws::ambient::Chain::new(settings.ambient);
    match settings.job {
        Job::Rotate(job) => close(rotate::run(kube, aws, &job, None, &interrupt)),
        Job::EcrUpdate(job) => close(Updater::new(kube, aws, ambient, job, interrupt).run()),
        Job::All(rotation, job) => {
            let (for_kube, for_aws, signal) = (Arc::clone(&kube), Arc::clone(&aws), interrupt.clone());
            let updater = Arc::new(Updater::new(for_kube, for_aws, ambient, job, signal));
            let follower = Arc::clone(&updater);
            let follow = move |sources: &[kube::Key]| match follower.follow(sources) {
                Follow::Done => rotate::Followed::Done,
                Follow::Later(why) => rotate::Followed::Later(why),
                Follow::Failed(why) => rotate::Followed::Failed(why),
            };
            let rotated = close(rotate::run(kube, aws, &rotation, Some(Arc::new(follow)), &interrupt));
            let updated = close(updater.run());
            // 2 says that nothing was done.
            if rotated == updated { rotated } else { 1 }
        }
    }
}

/// The closing line of a job, and the exit code that follows from it.
fn close(tally: Result<Tally, kube::Error>) -> u8 {
    match tally {
        Ok(tally) => {
            log::info!("{tally}");
            tally.exit_code()
        }
        Err(error) => {
            log::error!("{error}");
            error.fault().exit_code()
        }
    }
}

/// What is in hand when a signal comes may be a program that waits for a person. It is safe to end at any moment.
fn end_after_a_signal(interrupt: Interrupt) {
    std::thread::spawn(move || {
        while !interrupt.is_set() {
            interrupt.wait(Duration::from_secs(3600));
        }
        std::thread::sleep(LAST_STEPS);
        log::error!(
            "stopped by a signal, with a step in hand that took longer than {} s; run again",
            LAST_STEPS.as_secs()
        );
        std::process::exit(1);
    });
}

fn arguments() -> Result<Vec<String>, String> {
    let text = |argument: std::ffi::OsString| {
        argument
            .into_string()
            .map_err(|argument| format!("argument `{}` is not valid UTF-8", argument.display()))
    };
    env::args_os().skip(1).map(text).collect()
}

fn environment() -> Result<Environment, String> {
    let mut environment = Environment::new();
    for name in variables() {
        match env::var(name) {
            Ok(value) => {
                environment.insert(name, value);
            }
            Err(env::VarError::NotPresent) => {}
            Err(env::VarError::NotUnicode(_)) => return Err(format!("variable `{name}` is not valid UTF-8")),
        }
    }
    Ok(environment)
}

/// Secrets are in this process's memory; no dump of it may be written, and no other process of the user may read it.
fn forbid_core_dumps() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::process::setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
}

/// One line for each event: time, level, text. What the libraries log is never shown, at no level: some of them log what
/// they send. Until the settings are read the level is `info`: one that is not understood must not silence what says so.
fn log_to_stderr() {
    env_logger::Builder::new()
        .filter_level(LevelFilter::Trace)
        .format(|out, record| {
            if record.target().split("::").next() != Some("aws_iam_credential_rotate") {
                return Ok(());
            }
            let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
            let now = OffsetDateTime::now_utc().format(format).unwrap_or_default();
            writeln!(out, "{now} {:<5} {}", record.level(), record.args())
        })
        .init();
    log::set_max_level(LevelFilter::Info);
}
