// SPDX-License-Identifier: MIT

//! Random reads of a file: `DEPTH` tasks, each with one read in flight.
//!
//! Tokio reads files in its pool of blocking threads, which has `DEPTH`
//! threads here. Its own `File` would read ahead into a buffer that O_DIRECT
//! does not accept, so each read is a `pread` given to that pool, with the
//! buffer moved there and back.
//!
//! Each eight bytes of the file hold their own offset, and are checked.

use crate::{fail, refuse, sys};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::task::{spawn_blocking, JoinHandle};

const PAGE_BYTES: usize = 4096;

/// Aligned as O_DIRECT wants it.
#[repr(align(4096))]
struct Page([u8; PAGE_BYTES]);

pub struct Options {
    path: String,
    is_direct: bool,
    seconds: f64,
    depth: usize,
}

impl Options {
    pub fn parse(path: &str, mode: &str, seconds: &str, depth: &str) -> Options {
        Options {
            path: path.to_string(),
            is_direct: match mode {
                "direct" => true,
                "buffered" => false,
                _ => refuse("the mode is buffered or direct"),
            },
            seconds: match seconds.parse() {
                Ok(s) if s > 0.0 && s <= 3600.0 => s,
                _ => refuse("SECONDS is a number up to 3600"),
            },
            depth: match depth.parse() {
                Ok(d @ 1..=1024) => d,
                _ => refuse("DEPTH is a number from 1 to 1024"),
            },
        }
    }
}

/// The file, and the number of its pages.
fn open(options: &Options) -> (File, u64) {
    let flags = if options.is_direct { libc::O_DIRECT } else { 0 };
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&options.path);
    let file = match opened {
        Err(e) if options.is_direct && e.raw_os_error() == Some(libc::EINVAL) => fail(
            &options.path,
            "its file system refuses O_DIRECT; use another place, or buffered",
        ),
        opened => opened.unwrap_or_else(|e| fail(&options.path, e)),
    };
    let bytes = file.metadata().map_or(0, |m| m.len());
    if bytes < PAGE_BYTES as u64 {
        fail(&options.path, "holds less than one page of 4096 bytes");
    }
    (file, bytes / PAGE_BYTES as u64)
}

fn check(page: &Page, offset: u64) -> io::Result<()> {
    for (index, word) in page.0.chunks_exact(8).enumerate() {
        let want = offset + 8 * index as u64;
        if word != want.to_ne_bytes() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the eight bytes at {want} do not hold their offset"),
            ));
        }
    }
    Ok(())
}

/// xorshift64: the same sequence in every run.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Read until `end`; returns the nanoseconds that each read took.
async fn read_pages(
    file: Arc<File>,
    pages: u64,
    mut random: u64,
    end: Instant,
) -> io::Result<Vec<u64>> {
    let mut page = Box::new(Page([0; PAGE_BYTES]));
    let mut took = Vec::new();
    let mut start = Instant::now();
    while start < end {
        let offset = draw(&mut random) % pages * PAGE_BYTES as u64;
        let file = file.clone();
        let read = spawn_blocking(move || {
            file.read_exact_at(&mut page.0, offset)?;
            Ok::<_, io::Error>(page)
        });
        page = read.await??;
        let done = Instant::now();
        took.push((done - start).as_nanos() as u64);
        check(&page, offset)?;
        start = Instant::now();
    }
    Ok(took)
}

async fn read_all(options: &Options, file: File, pages: u64) -> io::Result<Vec<u64>> {
    let end = Instant::now() + Duration::from_secs_f64(options.seconds);
    let file = Arc::new(file);
    let tasks: Vec<JoinHandle<_>> = (0..options.depth as u64)
        .map(|i| {
            let seed = 88_172_645_463_325_252 + i * 7_919;
            tokio::spawn(read_pages(file.clone(), pages, seed, end))
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.append(&mut task.await??);
    }
    Ok(took)
}

fn quantile_us(sorted_ns: &[u64], share: f64) -> f64 {
    let index = (sorted_ns.len() as f64 * share) as usize;
    sorted_ns[index.min(sorted_ns.len() - 1)] as f64 / 1e3
}

fn report(took: &mut [u64], wall_ns: u64, cpu_ns: u64) {
    took.sort_unstable();
    let seconds = wall_ns as f64 / 1e9;
    let reads = took.len() as f64;
    println!(
        "reads={reads} seconds={seconds:.3} iops={:.0} p50_us={:.1} p99_us={:.1} \
         cpu_us_per_read={:.3}",
        reads / seconds,
        quantile_us(took, 0.50),
        quantile_us(took, 0.99),
        cpu_ns as f64 / 1e3 / reads,
    );
}

pub fn run(options: &Options) {
    let (file, pages) = open(options);
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(options.depth)
        .build()
        .unwrap_or_else(|e| fail("cannot make a runtime", e));
    let (wall_ns, cpu_ns) = (sys::wall_ns(), sys::process_cpu_ns());
    let mut took = runtime
        .block_on(read_all(options, file, pages))
        .unwrap_or_else(|e| fail(&options.path, e));
    report(
        &mut took,
        sys::wall_ns() - wall_ns,
        sys::process_cpu_ns() - cpu_ns,
    );
}
