// SPDX-License-Identifier: MIT

//! A TCP relay. `copy_bidirectional` passes an end on as the end of its
//! direction alone; its buffers are 8 KiB each, and Tokio 1.24 offers no
//! choice. The first error ends both sides with a reset.

use crate::net;
use std::io;
use std::net::SocketAddrV4;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

/// Fails only where there is no connection left to reset.
fn reset_on_drop(stream: &TcpStream) {
    let _ = stream.set_linger(Some(Duration::ZERO));
}

async fn connect(address: SocketAddrV4) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn relay(mut client: TcpStream, address: SocketAddrV4) {
    let mut backend = match connect(address).await {
        Ok(stream) => stream,
        Err(_) => return reset_on_drop(&client),
    };
    if copy_bidirectional(&mut client, &mut backend).await.is_err() {
        reset_on_drop(&client);
        reset_on_drop(&backend);
    }
}

pub async fn serve(listen: SocketAddrV4, backend: SocketAddrV4) {
    net::accept_each(listen, move |client| {
        tokio::spawn(relay(client, backend));
    })
    .await
}
