//! What a browser finds that opens the port without TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::cloud::{Wish, start, start_with};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\n\r\n";

async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.expect("connects");
    socket.write_all(bytes).await.expect("written");
    let mut all = Vec::new();
    // A connection that is reset is an answer of nothing.
    let _ = socket.read_to_end(&mut all).await;
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_on_this_machine_reads_a_page_in_words() {
    let cloud = start().await;
    let page = String::from_utf8(exchange(cloud.address, REQUEST).await).expect("UTF-8");
    let (head, text) = page.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain"), "{head}");
    assert!(head.contains(&format!("content-length: {}", text.len())), "{head}");
    assert!(text.contains("Cellar") && text.contains("cellar pair"), "{text}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_it_through_a_gateway() {
    let gateways = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let cloud = start_with(Wish { gateways, ..Wish::default() }).await;
    let header = runtime_wire::proxy::header(([203, 0, 113, 9], 1234).into(), cloud.address);
    assert_eq!(exchange(cloud.address, &[&header[..], REQUEST].concat()).await, b"");
    cloud.stop().await;
}
