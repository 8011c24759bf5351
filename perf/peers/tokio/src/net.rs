// SPDX-License-Identifier: MIT

//! Listening, for all TCP roles.

use crate::{fail, sys};
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const BACKLOG: u32 = 4096;
/// Until accepting is tried again, when descriptors ran out.
const PAUSE: Duration = Duration::from_millis(100);

fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    sys::set_nodelay(&socket)?;
    socket.bind(address.into())?;
    socket.listen(BACKLOG)
}

pub fn say_ready(bound: io::Result<SocketAddr>) {
    match bound {
        Ok(address) => println!("listening on {address}"),
        Err(e) => fail("cannot name the listener", e),
    }
}

/// Call `start` with each connection, which has TCP_NODELAY; never returns.
pub async fn accept_each(address: SocketAddrV4, start: impl Fn(TcpStream)) {
    let listener = listen(address).unwrap_or_else(|e| fail("cannot listen", e));
    say_ready(listener.local_addr());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => start(stream),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
