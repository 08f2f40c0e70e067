//! The fallback, where it can be tried: on any system.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use mcp_driver::{Deadline, Ended, Pump, StreamOptions, SystemClock};
use mcp_server::{Connection, InPlace, Server};

use super::{Bell, Door, Duplex};

/// Serves one connection as a leader does, with nothing but this module's parts.
fn serve(duplex: Duplex) -> Ended {
    let bell = Arc::new(Bell::new().unwrap());
    let waker = Waker::from(Arc::clone(&bell));
    let mut cx = Context::from_waker(&waker);
    let clock = SystemClock::start();
    let service = Server::new("threads", "1.0.0").build().unwrap();
    let connection = Connection::new(service, Arc::new(InPlace), [7; 32]);
    let mut pump = Pump::new(connection, StreamOptions::default());
    let mut duplex = duplex;
    let mut alarm = Deadline::new(clock);
    loop {
        duplex.begin();
        if let Poll::Ready(ended) = pump.poll(&mut cx, &mut duplex, &mut alarm) {
            return ended;
        }
        let timeout = alarm.at().map(|at| clock.until(at));
        let interest = duplex.interest();
        let told = interest.wait(&bell, timeout).unwrap();
        assert!(!duplex.told(told));
    }
}

#[test]
fn a_connection_is_served_by_threads_that_block() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        serve(Duplex::tcp(socket).unwrap())
    });
    let mut client = TcpStream::connect(address).unwrap();
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
    for id in 0..100 {
        let ping = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n");
        client.write_all(ping.as_bytes()).unwrap();
        let line = lines.next().unwrap().unwrap();
        assert_eq!(
            line,
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
        );
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(lines.next().is_none(), "the end is seen");
    assert_eq!(server.join().unwrap(), Ended::EndOfInput);
}

#[test]
fn somebody_who_knocks_is_taken_when_that_is_wanted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::new(listener).unwrap();
    let bell = Arc::new(Bell::new().unwrap());
    let moment = Some(Duration::from_millis(20));
    assert!(!door.wait(&bell, true, moment).unwrap());
    let _first = TcpStream::connect(address).unwrap();
    let _second = TcpStream::connect(address).unwrap();
    assert!(!door.wait(&bell, false, moment).unwrap(), "not yet");
    for _ in 0..2 {
        while !door.wait(&bell, true, None).unwrap() {}
        door.accept().unwrap();
    }
    assert_eq!(
        door.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    drop(door);
    assert!(TcpStream::connect(address).is_err(), "it is closed");
}

#[test]
fn a_ring_is_never_lost() {
    let bell = Arc::new(Bell::new().unwrap());
    bell.ring();
    bell.sleep(None).unwrap();
    let other = Arc::clone(&bell);
    let ringer = thread::spawn(move || {
        for _ in 0..1000 {
            other.ring();
        }
    });
    bell.sleep(None).unwrap();
    ringer.join().unwrap();
}
