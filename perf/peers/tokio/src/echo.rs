// SPDX-License-Identifier: MIT

//! Echo sends every byte back; sink reads and sends nothing.

use crate::net;
use std::net::SocketAddrV4;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Each connection has a buffer of its own.
const ECHO_BYTES: usize = 16 * 1024;
const SINK_BYTES: usize = 64 * 1024;

async fn echo_one(mut stream: TcpStream) {
    let mut buf = vec![0; ECHO_BYTES];
    while let Ok(bytes) = stream.read(&mut buf).await {
        if bytes == 0 || stream.write_all(&buf[..bytes]).await.is_err() {
            return;
        }
    }
}

async fn sink_one(mut stream: TcpStream) {
    let mut buf = vec![0; SINK_BYTES];
    while let Ok(1..) = stream.read(&mut buf).await {}
}

pub async fn echo(listen: SocketAddrV4) {
    net::accept_each(listen, |stream| {
        tokio::spawn(echo_one(stream));
    })
    .await
}

pub async fn sink(listen: SocketAddrV4) {
    net::accept_each(listen, |stream| {
        tokio::spawn(sink_one(stream));
    })
    .await
}
