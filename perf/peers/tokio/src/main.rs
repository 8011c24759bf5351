// SPDX-License-Identifier: MIT

//! What Tokio makes of the roles that torc is measured in.
//!
//! One thread: the current-thread runtime. All work is in spawned tasks and
//! none in the future of `block_on`, since waking that one costs a system
//! call. It ends on SIGTERM or SIGINT with 0; 1 means the machine, 2 the
//! command line.

mod echo;
mod fanout;
mod file;
mod micro;
mod net;
mod proxy;
mod sys;
mod udp;

use std::future::Future;
use std::net::SocketAddrV4;
use std::process::exit;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::Notify;

const USAGE: &str = "usage: tokio-peer echo|udp|sink|fanout LISTEN | \
    proxy LISTEN BACKEND | micro | file PATH buffered|direct SECONDS DEPTH";

pub fn refuse(wrong: &str) -> ! {
    eprintln!("tokio-peer: {wrong}; {USAGE}");
    exit(2)
}

pub fn fail(what: &str, error: impl std::fmt::Display) -> ! {
    eprintln!("tokio-peer: {what}: {error}");
    exit(1)
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|e| fail("cannot make a runtime", e))
}

/// Run `role` until a signal ends the process.
fn serve<F>(role: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    sys::raise_limit();
    runtime().block_on(async {
        let watch = |kind| signal(kind).unwrap_or_else(|e| fail("cannot watch signals", e));
        let stop = Arc::new(Notify::new());
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let mut signals = watch(kind);
            let stop = stop.clone();
            tokio::spawn(async move {
                signals.recv().await;
                stop.notify_one();
            });
        }
        tokio::spawn(role);
        stop.notified().await;
    });
}

fn address(text: &str) -> SocketAddrV4 {
    text.parse()
        .unwrap_or_else(|_| refuse(&format!("'{text}' is not HOST:PORT with a numeric host")))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["echo", listen] => serve(echo::echo(address(listen))),
        ["sink", listen] => serve(echo::sink(address(listen))),
        ["udp", listen] => serve(udp::echo(address(listen))),
        ["fanout", listen] => serve(fanout::serve(address(listen))),
        ["proxy", listen, backend] => serve(proxy::serve(address(listen), address(backend))),
        ["micro"] => micro::run(),
        ["file", path, mode, seconds, depth] => {
            file::run(&file::Options::parse(path, mode, seconds, depth))
        }
        [] => refuse("no role"),
        ["echo" | "sink" | "udp" | "fanout" | "proxy" | "micro" | "file", ..] => {
            refuse("wrong number of arguments")
        }
        _ => refuse("unknown role"),
    }
}
