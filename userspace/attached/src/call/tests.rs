//! Against peers that are no VM: whatever they do, there is an error and no wait without an end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use escope_beam::term::{Node, Term};

use super::{Attached, ConnectOptions};
use crate::AttachedError;
use crate::address::Target;
use crate::cookie::{Cookie, CookieSource};
use crate::inbox::BYTES_MAX;
use crate::terms::{atom, elements, integer, list, tuple};

const NAME: &str = "shop@localhost";
const PATIENCE: Duration = Duration::from_millis(400);

fn cookie() -> Cookie {
    Cookie::new("right", CookieSource::Environment).unwrap()
}

/// Joins a peer that does this with each connection.
fn join(
    connections: usize,
    peer: impl Fn(TcpStream) + Send + 'static,
) -> (Result<Attached, AttachedError>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        for _ in 0..connections {
            peer(listener.accept().unwrap().0);
        }
    });
    let target = Target::new(Some(NAME), Some(address), 4369).unwrap();
    let options = ConnectOptions {
        patience: PATIENCE,
        os_pid: None,
        tls: None,
    };
    let begun = Instant::now();
    let joined = Attached::connect(&target, &cookie(), &options);
    assert!(begun.elapsed() < Duration::from_secs(5));
    (joined, thread)
}

/// A message of the handshake.
fn hear(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

fn say(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat()).unwrap();
}

fn who(name: &str) -> Vec<u8> {
    let mut message = vec![b'N'];
    message.extend([0; 8]);
    message.extend([0, 0, 0, 5, 0, 0, 0, 9]);
    message.extend((name.len() as u16).to_be_bytes());
    message.extend(name.as_bytes());
    message
}

/// A handshake as a VM does it; what comes after is up to the test.
fn shake(stream: &mut TcpStream, cookie: &Cookie) {
    hear(stream);
    say(stream, b"sok");
    say(stream, &who(NAME));
    let reply = hear(stream);
    assert_eq!(reply[5..], cookie.digest(5));
    let number = u32::from_be_bytes(reply[1..5].try_into().unwrap());
    say(stream, &[&[b'a'][..], &cookie.digest(number)].concat());
}

fn until_closed(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn one_that_says_nothing_is_late() {
    let (joined, thread) = join(1, until_closed);
    assert!(
        matches!(joined, Err(AttachedError::Late { .. })),
        "{joined:?}"
    );
    thread.join().unwrap();
}

#[test]
fn one_that_closes_at_the_proof_has_another_cookie() {
    let (joined, thread) = join(1, |mut stream| {
        hear(&mut stream);
        say(&mut stream, b"sok");
        say(&mut stream, &who(NAME));
        hear(&mut stream);
    });
    assert!(
        matches!(joined, Err(AttachedError::WrongCookie { .. })),
        "{joined:?}"
    );
    thread.join().unwrap();
}

#[test]
fn one_that_cannot_prove_its_cookie_is_not_believed() {
    let (joined, thread) = join(1, |mut stream| {
        hear(&mut stream);
        say(&mut stream, b"sok");
        say(&mut stream, &who(NAME));
        hear(&mut stream);
        say(&mut stream, &[b'a'; 17]);
    });
    assert!(
        matches!(joined, Err(AttachedError::WrongCookie { .. })),
        "{joined:?}"
    );
    thread.join().unwrap();
}

#[test]
fn names_that_are_taken_are_tried_no_more_than_there_are() {
    let (joined, thread) = join(8, |mut stream| {
        let name = hear(&mut stream);
        assert!(String::from_utf8_lossy(&name).contains("escope_bpf_"));
        say(&mut stream, b"salive");
        until_closed(stream);
    });
    assert!(
        matches!(joined, Err(AttachedError::Clash { .. })),
        "{joined:?}"
    );
    thread.join().unwrap();
}

#[test]
fn another_node_than_the_one_that_was_meant_is_refused() {
    let (joined, thread) = join(1, |mut stream| {
        hear(&mut stream);
        say(&mut stream, b"sok");
        say(&mut stream, &who("bank@localhost"));
        until_closed(stream);
    });
    assert!(
        matches!(joined, Err(AttachedError::Protocol(_))),
        "{joined:?}"
    );
    thread.join().unwrap();
}

/// What a call comes to, of a peer that says this after the handshake.
fn called(said: Vec<u8>) -> Result<Term, AttachedError> {
    let (joined, thread) = join(1, move |mut stream| {
        shake(&mut stream, &cookie());
        let _ = stream.write_all(&said);
        until_closed(stream);
    });
    let mut attached = joined.unwrap();
    let result = attached.call("os", "getpid", Vec::new());
    drop(attached);
    thread.join().unwrap();
    result
}

#[test]
fn what_comes_is_bounded_and_understood_or_an_error() {
    let large = called(vec![255, 255, 255, 255]);
    assert!(
        matches!(large, Err(AttachedError::TooLarge { .. })),
        "{large:?}"
    );
    for nonsense in [
        &[0, 0, 0, 2, b'p', 0][..],
        &[0, 0, 0, 1, 131],
        &[0, 0, 0, 1, b'p'],
    ] {
        let result = called(nonsense.to_vec());
        assert!(
            matches!(result, Err(AttachedError::Protocol(_))),
            "{result:?}"
        );
    }
    // Ticks, half a message, and nothing.
    for silence in [&[0u8; 8][..], &[0, 0, 1, 0, b'p'], &[]] {
        let result = called(silence.to_vec());
        assert!(
            matches!(result, Err(AttachedError::Late { .. })),
            "{result:?}"
        );
    }
}

/// Reads a request, and says these messages to its sender; the last one is the answer.
fn answer(stream: &mut TcpStream, others: &[Term]) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut request).unwrap();
    let all = escope_beam::term::Limits::default();
    let (control, rest) = Term::from_external(&request[1..], None, &all).unwrap();
    let (request, _) = Term::from_external(rest, None, &all).unwrap();
    assert!(control.to_string().ends_with("'',rex}"), "{control}");
    let [_, from, _] = elements::<3>(&request).unwrap();
    let [us, reference] = elements::<2>(from).unwrap();
    let node = Node {
        name: NAME.into(),
        creation: 9,
        channel: 0,
    };
    let answer = tuple(vec![reference.clone(), atom("answer")]);
    for message in others.iter().chain([&answer]) {
        let control = tuple(vec![integer(2), atom(""), us.clone()]);
        let mut bytes = vec![b'p'];
        bytes.extend(control.to_external(Some(&node)).unwrap());
        bytes.extend(message.to_external(Some(&node)).unwrap());
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        stream
            .write_all(&[&length, bytes.as_slice()].concat())
            .unwrap();
    }
}

#[test]
fn answers_belong_to_their_requests() {
    let (joined, thread) = join(1, |mut stream| {
        shake(&mut stream, &cookie());
        answer(&mut stream, &[tuple(vec![atom("other"), atom("answer")])]);
        until_closed(stream);
    });
    let mut attached = joined.unwrap();
    let answer = attached.call("os", "getpid", Vec::new()).unwrap();
    assert_eq!(answer, atom("answer"));
    assert_eq!(attached.dropped(), 0);
    drop(attached);
    thread.join().unwrap();
}

#[test]
fn what_comes_before_an_answer_is_kept_within_bounds_and_dropped_beyond() {
    const EACH: usize = 1 << 20;
    let (joined, thread) = join(1, |mut stream| {
        shake(&mut stream, &cookie());
        let large = list(vec![integer(7); EACH / 2]);
        answer(&mut stream, &vec![large; 20]);
        until_closed(stream);
    });
    let mut attached = joined.unwrap();
    attached.patience = Duration::from_secs(20);
    let answer = attached.call("os", "getpid", Vec::new()).unwrap();
    assert_eq!(answer, atom("answer"));
    let mut kept = 0;
    let limits = escope_beam::term::Limits::default();
    while let Some(_message) = attached.receive(&limits, Instant::now()).unwrap() {
        kept += 1;
    }
    assert_eq!((kept, attached.dropped()), (BYTES_MAX / EACH - 1, 5));
    drop(attached);
    thread.join().unwrap();
}
