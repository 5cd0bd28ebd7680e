//! Who this machine is at AWS: the AWS CLI and the program, given the same files and the same environment, are the same, or
//! both are nobody.

mod cases;
mod eks;

use std::{fs, thread};

use serde_json::Value;

use self::cases::{Case, Setup, cases, differences};
use crate::support::program::{Program, Run};
use crate::tools::{program, required, run};

/// What a case's texts stand for.
fn filled(setup: &Setup, text: &str) -> String {
    setup.names.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("<{name}>"), value)
    })
}

/// The program with the case's files in a home of its own, and its variables.
fn in_case(setup: &Setup, case: &Case, number: usize, program: Program) -> Program {
    let home = setup.world.files.path().join(format!("home-{number}"));
    fs::create_dir_all(home.join(".aws")).unwrap();
    for (file, text) in [("config", case.config), ("credentials", case.credentials)] {
        if !text.is_empty() {
            fs::write(home.join(".aws").join(file), filled(setup, text)).unwrap();
        }
    }
    let defaults = [
        ("AWS_ENDPOINT_URL", setup.world.aws.url()),
        ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("HOME", home.display().to_string()),
    ];
    let program = defaults
        .iter()
        .fold(program, |program, (name, value)| program.env(name, value));
    case.variables.iter().fold(program, |program, (name, value)| {
        program.env(name, filled(setup, value))
    })
}

/// Whom the AWS CLI says it is.
fn by_cli(setup: &Setup, case: &Case, number: usize) -> Result<String, String> {
    let cli = Program::new(required("AWS_CLI")).args(&["sts", "get-caller-identity", "--output", "json"]);
    let run: Run = in_case(setup, case, number, cli).run();
    if run.code != Some(0) {
        return Err(run.stderr.trim().to_owned());
    }
    let answer: Value = serde_json::from_str(&run.stdout).expect("JSON, as asked for");
    Ok(answer["Arn"].as_str().expect("an ARN").to_owned())
}

/// The same for all cases, four at a time: the CLI takes a second to start.
fn all_by_cli(setup: &Setup, cases: &[Case]) -> Vec<Result<String, String>> {
    const AT_ONCE: usize = 4;
    let answers = |worker: usize| {
        let numbers = (worker..cases.len()).step_by(AT_ONCE);
        numbers
            .map(|number| (number, by_cli(setup, &cases[number], number)))
            .collect::<Vec<_>>()
    };
    let mut answers: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|worker| scope.spawn(move || answers(worker)))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Whose key signed the program's request for a login.
fn by_program(setup: &Setup, case: &Case, number: usize) -> Result<String, String> {
    let world = &setup.world;
    let before = world.cloud.tokens_issued().len();
    let run = run(world, in_case(setup, case, number, program(world).arg("ecr-update")));
    let issued = world.cloud.tokens_issued();
    match issued.get(before..) {
        Some([token]) if run.code == Some(0) => Ok(world.cloud.arn_of(&token.key_id)),
        Some([]) if run.code != Some(0) => Err(run.log(world)[0].clone()),
        _ => panic!("{}: {:?}", case.name, run.log(world)),
    }
}

/// The name of a session stands at the end; where nobody gives one, every program has its own.
fn without_session(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((role, _)) if arn.contains(":assumed-role/") => role,
        Some(_) | None => arn,
    }
}

#[test]
fn the_aws_cli_and_the_program_are_the_same() {
    let setup = Setup::new();
    let cases = cases();
    assert!(cases.len() >= 18);
    let by_cli = all_by_cli(&setup, &cases);
    let mut wrong = Vec::new();
    for ((number, case), cli) in cases.iter().enumerate().zip(by_cli) {
        let ours = by_program(&setup, case, number);
        let expected = case.identity.map(|arn| filled(&setup, arn));
        let whom = |found: &Result<String, String>| match (found, &expected) {
            (Ok(arn), Some(expected)) if !expected.contains(":assumed-role/") || expected.matches('/').count() == 2 => {
                Some(arn.clone())
            }
            (Ok(arn), _) => Some(without_session(arn).to_owned()),
            (Err(_), _) => None,
        };
        if whom(&cli) != expected || whom(&ours) != expected {
            wrong.push(format!(
                "{}: expected {expected:?}, the CLI {cli:?}, the program {ours:?}",
                case.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the program is stricter on purpose, or kinder. Each line is a decision; one that stops to be true must be seen.
#[test]
fn where_they_differ_is_known() {
    let setup = Setup::new();
    for (number, (case, ours)) in differences().iter().enumerate() {
        let cli = by_cli(&setup, case, number).ok();
        assert_eq!(cli, case.identity.map(|arn| filled(&setup, arn)), "{}", case.name);
        let found = by_program(&setup, case, number).ok();
        assert_eq!(found, ours.map(|arn| filled(&setup, arn)), "{}", case.name);
    }
}
