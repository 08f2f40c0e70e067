//! Both sides of the program work, and each on its own tokens.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use embed_mio::Program;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn asked(stream: &mut BufReader<TcpStream>, id: u32) -> String {
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echoed","arguments":{{}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    ) + "\n";
    stream.get_mut().write_all(call.as_bytes()).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    let text = &answer["result"]["content"][0]["text"];
    text.as_str().unwrap_or_else(|| panic!("{line}")).to_owned()
}

#[test]
fn the_program_and_its_server_share_a_loop_and_no_token() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let program = Program::new((Ipv4Addr::LOCALHOST, 0).into(), listener).unwrap();
    let datagrams = program.datagrams().unwrap();
    let end = program.handle();

    std::thread::scope(|scope| {
        let running = scope.spawn(|| program.run());
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut clients: Vec<_> = (0..20)
            .map(|_| {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                BufReader::new(stream)
            })
            .collect();
        for count in 1..=20_u32 {
            socket.send_to(b"hello", datagrams).unwrap();
            let mut answer = [0; 16];
            let (length, _) = socket.recv_from(&mut answer).unwrap();
            assert_eq!(&answer[..length], b"hello");
            // Connections come and go while the program's own token stays what it is.
            for client in &mut clients {
                assert_eq!(asked(client, count), count.to_string());
            }
            clients.pop();
        }
        end.shutdown();
        running.join().unwrap().unwrap();
    });
}
