// SPDX-License-Identifier: MIT

//! What arrives on one connection is sent to every other.
//!
//! The reader that has the bytes tries each subscriber at once, which spares
//! a wake-up and a poll for each. What a socket does not take is copied once
//! into a message that all queues share; a task that lives only as long as
//! the queue is not empty writes it. Who is more than `PENDING_MAX` behind is
//! disconnected with a reset.

use crate::{net, sys};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddrV4;
use std::os::unix::io::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpStream;

const READ_BYTES: usize = 64 * 1024;
const PENDING_MAX: usize = 1024 * 1024;

/// A shared message, and where its unsent part starts.
struct Pending {
    message: Arc<[u8]>,
    start: usize,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    bytes: usize,
}

struct Subscriber {
    stream: TcpStream,
    queue: Mutex<Queue>,
}

struct Room {
    members: Mutex<Vec<Arc<Subscriber>>>,
    /// All connections read into the same buffer, which stays in the cache.
    buf: Mutex<Vec<u8>>,
}

/// There is one thread, and a panic ends the process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// The bytes that the socket took, 0 when it is full.
fn write_some(stream: &TcpStream, data: &[u8]) -> io::Result<usize> {
    match stream.try_write(data) {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

impl Subscriber {
    /// Its reader sees the end, and its drop is the reset.
    fn disconnect(&self) {
        let _ = self.stream.set_linger(Some(Duration::ZERO));
        sys::shutdown(self.stream.as_raw_fd());
    }

    fn send(self: &Arc<Self>, data: &[u8], message: &mut Option<Arc<[u8]>>) {
        let mut queue = lock(&self.queue);
        let is_idle = queue.pending.is_empty();
        let mut start = 0;
        if is_idle {
            match write_some(&self.stream, data) {
                Ok(bytes) if bytes == data.len() => return,
                Ok(bytes) => start = bytes,
                Err(_) => return self.disconnect(),
            }
        }
        let message = message.get_or_insert_with(|| data.into()).clone();
        queue.bytes += data.len() - start;
        queue.pending.push_back(Pending { message, start });
        if queue.bytes > PENDING_MAX {
            return self.disconnect();
        }
        if is_idle {
            tokio::spawn(write_queue(self.clone()));
        }
    }

    /// Write what the socket takes; true when the queue is empty.
    fn write_pending(&self) -> io::Result<bool> {
        let mut guard = lock(&self.queue);
        let queue = &mut *guard;
        while let Some(first) = queue.pending.front_mut() {
            let left = &first.message[first.start..];
            let sent = write_some(&self.stream, left)?;
            let is_whole = sent == left.len();
            first.start += sent;
            queue.bytes -= sent;
            if !is_whole {
                return Ok(false);
            }
            queue.pending.pop_front();
        }
        Ok(true)
    }
}

async fn write_queue(subscriber: Arc<Subscriber>) {
    while subscriber.stream.writable().await.is_ok() {
        match subscriber.write_pending() {
            Ok(false) => continue,
            Ok(true) => return,
            Err(_) => return subscriber.disconnect(),
        }
    }
}

impl Room {
    fn publish(&self, from: &Arc<Subscriber>, data: &[u8]) {
        let mut message = None;
        for member in lock(&self.members).iter() {
            if !Arc::ptr_eq(member, from) {
                member.send(data, &mut message);
            }
        }
    }

    /// False at the end of the connection.
    fn read_and_publish(&self, from: &Arc<Subscriber>) -> bool {
        let mut buf = lock(&self.buf);
        match from.stream.try_read(&mut buf) {
            Ok(0) => false,
            Ok(bytes) => {
                self.publish(from, &buf[..bytes]);
                true
            }
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        }
    }

    async fn serve_one(self: Arc<Self>, stream: TcpStream) {
        let subscriber = Arc::new(Subscriber {
            stream,
            queue: Mutex::default(),
        });
        lock(&self.members).push(subscriber.clone());
        while subscriber.stream.readable().await.is_ok() {
            if !self.read_and_publish(&subscriber) {
                break;
            }
        }
        lock(&self.members).retain(|member| !Arc::ptr_eq(member, &subscriber));
    }
}

pub async fn serve(listen: SocketAddrV4) {
    let room = Arc::new(Room {
        members: Mutex::default(),
        buf: Mutex::new(vec![0; READ_BYTES]),
    });
    net::accept_each(listen, |stream| {
        tokio::spawn(room.clone().serve_one(stream));
    })
    .await
}
