//! One table of all causes: why no answer came, or why it was no, and the one line that says so, with the next step. Other
//! tests look at what becomes of a rotation; this one pins the words.

mod aws;
mod kubernetes;
mod proxies;

use std::any::Any;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;

use super::{Nobody, said, state};
use crate::support::program::{Program, World};

/// A run that comes to grief.
struct Case {
    world: World,
    program: Program,
    /// An address, and what stands for it in the table.
    named: Vec<(String, &'static str)>,
    /// What must live until the run has ended.
    _alive: Box<dyn Any>,
}

impl Case {
    fn of(world: World, program: Program) -> Case {
        Case {
            world,
            program,
            named: Vec::new(),
            _alive: Box::new(()),
        }
    }

    fn at(mut self, address: &str, name: &'static str, alive: impl Any) -> Case {
        self.named.push((address.to_owned(), name));
        self._alive = Box::new(alive);
        self
    }
}

/// The cause, the line, and how it comes about.
type Row = (&'static str, &'static str, fn() -> Case);

/// Somebody at this URL who takes connections and says nothing.
fn silent(url: fn(&str) -> String, case: fn(&str) -> Case) -> Case {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut silent = case(&url(&address));
    silent.program = silent.program.arg("--request-timeout=3s");
    silent.at(&address, "THERE", listener)
}

/// Somebody who speaks HTTP where TLS is expected.
fn plain(case: fn(&str) -> Case) -> Case {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        // Until the client has gone, lest unread bytes reset the connection.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    case(&address).at(&address, "THERE", ())
}

fn nobody(case: impl Fn(&str) -> Case) -> Case {
    let nobody = Nobody::new();
    let address = nobody.address();
    case(&address).at(&address, "THERE", nobody)
}

fn https(address: &str) -> String {
    format!("https://{address}")
}

fn plainly(address: &str) -> String {
    address.to_owned()
}

/// The first line of the run, which changes nothing. What differs from run to run is named: addresses, and the time.
fn first_line(case: &Case) -> String {
    let before = state(&case.world);
    let run = case.world.check(case.program.clone());
    let mut line = said(&case.world, &run).into_iter().next().expect("a line");
    assert_eq!(run.code, Some(1), "{line}");
    // Not `assert_eq`: a failing test must not print what is in the Secrets.
    assert!(state(&case.world) == before, "something was changed: {line}");
    for (address, name) in &case.named {
        line = line.replace(address, name);
    }
    if let Some((before, rest)) = line.split_once(", and it is 20") {
        let (_, after) = rest.split_once(" by").expect("the time by the clock");
        line = format!("{before}, and it is NOW by{after}");
    }
    line
}

/// Every line is as the table says. Most of the time is spent in pauses, so several cases run at a time.
fn all(rows: &[Row], before: &str, after: &str) {
    let (next, wrong) = (Mutex::new(rows.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let row = next.lock().unwrap().next();
                    let Some((cause, line, set_up)) = row else { return };
                    let (found, expected) = (first_line(&set_up()), format!("{before}{line}{after}"));
                    if found != expected {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{cause}\n   found: {found}\nexpected: {expected}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
