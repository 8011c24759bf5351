// SPDX-License-Identifier: MIT

//! Sends every datagram back to its sender.

use crate::{fail, net};
use std::net::SocketAddrV4;
use tokio::net::UdpSocket;

const DATAGRAM_BYTES: usize = 64 * 1024;

pub async fn echo(listen: SocketAddrV4) {
    let socket = UdpSocket::bind(listen)
        .await
        .unwrap_or_else(|e| fail("cannot listen", e));
    net::say_ready(socket.local_addr());
    let mut buf = vec![0; DATAGRAM_BYTES];
    loop {
        // What can't be received or sent is lost, as datagrams may be.
        if let Ok((bytes, sender)) = socket.recv_from(&mut buf).await {
            let _ = socket.send_to(&buf[..bytes], sender).await;
        }
    }
}
