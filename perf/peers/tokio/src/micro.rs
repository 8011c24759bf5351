// SPDX-License-Identifier: MIT

//! What Tokio's own operations cost: lines of `NAME NANOSECONDS`, each the
//! median of 9 repetitions.
//!
//! Everything runs in spawned tasks of a current-thread runtime. What stays on
//! one thread is measured in that thread's CPU time, the rest on the clock.
//!
//! | name | one unit is |
//! |---|---|
//! | spawn_join | a spawn of an empty task and the await of its handle |
//! | switch | a wake through `Notify` and the poll of the task that it wakes |
//! | yield_pair | a `yield_now` to another task and its `yield_now` back |
//! | timer | a sleep armed and dropped, beside 100,000 others |
//! | channel | a message through a bounded channel from task to task |
//! | cross | a message to another thread's runtime, in batches of 1000 |
//! | cross_rtt | a message there and its answer |
//! | mutex | an uncontended `Mutex` locked and unlocked |
//! | semaphore | a permit of a `Semaphore` taken and given back |
//! | notify | a `notify_one` and the `notified` that finds it |
//! | many | one of a million tasks, all spawned and then all joined |
//! | blocking | a `spawn_blocking` of nothing and the await of its handle |

use crate::{fail, runtime, sys};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, Mutex, Notify, Semaphore};
use tokio::task::{spawn_blocking, unconstrained, yield_now};
use tokio::time::{sleep, Sleep};

const REPETITIONS: usize = 9;
const CAPACITY: usize = 1024;
const BATCH: u64 = 1000;
const SLEEPS: u64 = 100_000;

fn done<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| fail("a task has failed", e))
}

/// `case(count)` does `count` units and returns the nanoseconds they took. Each
/// repetition is a task of the same runtime; one more before them warms up.
fn measure<C, F>(name: &str, count: u64, case: C)
where
    C: Fn(u64) -> F,
    F: Future<Output = u64> + Send + 'static,
{
    let runtime = runtime();
    let repeat = || {
        let task = runtime.spawn(case(count));
        done(runtime.block_on(task)) as f64 / count as f64
    };
    let _warm_up = repeat();
    let mut ns: Vec<f64> = (0..REPETITIONS).map(|_| repeat()).collect();
    ns.sort_unstable_by(f64::total_cmp);
    println!("{name} {:.1}", ns[REPETITIONS / 2]);
}

async fn spawn_join(count: u64) -> u64 {
    let start = sys::thread_cpu_ns();
    for _ in 0..count {
        done(tokio::spawn(async {}).await);
    }
    sys::thread_cpu_ns() - start
}

/// Two tasks hand over to each other: two units per round.
async fn switch(count: u64) -> u64 {
    let (ping, pong) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (ping_too, pong_too) = (ping.clone(), pong.clone());
    let other = tokio::spawn(async move {
        for _ in 0..count / 2 {
            ping_too.notified().await;
            pong_too.notify_one();
        }
    });
    let start = sys::thread_cpu_ns();
    for _ in 0..count / 2 {
        ping.notify_one();
        pong.notified().await;
    }
    let spent = sys::thread_cpu_ns() - start;
    done(other.await);
    spent
}

async fn yield_pair(count: u64) -> u64 {
    let other = tokio::spawn(async move {
        for _ in 0..count {
            yield_now().await;
        }
    });
    let start = sys::thread_cpu_ns();
    for _ in 0..count {
        yield_now().await;
    }
    let spent = sys::thread_cpu_ns() - start;
    done(other.await);
    spent
}

/// Polls a sleep once, which arms it.
struct Arm<'a>(Pin<&'a mut Sleep>);

impl Future for Arm<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _ = self.0.as_mut().poll(context);
        Poll::Ready(())
    }
}

/// As a server has them: time-outs of up to a minute, in no order.
fn draw_delay(state: &mut u64) -> Duration {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    Duration::from_millis(1_000 + *state % 59_000)
}

async fn timer(count: u64) -> u64 {
    let mut random = 88_172_645_463_325_252;
    let mut others = Vec::new();
    for _ in 0..SLEEPS {
        let mut other = Box::pin(sleep(draw_delay(&mut random)));
        Arm(other.as_mut()).await;
        others.push(other);
    }
    let start = sys::thread_cpu_ns();
    for _ in 0..count {
        let one = sleep(draw_delay(&mut random));
        tokio::pin!(one);
        Arm(one).await;
    }
    sys::thread_cpu_ns() - start
}

async fn channel(count: u64) -> u64 {
    let (sender, mut receiver) = mpsc::channel(CAPACITY);
    let other = tokio::spawn(async move {
        for i in 0..count {
            done(sender.send(i).await);
        }
    });
    let start = sys::thread_cpu_ns();
    while receiver.recv().await.is_some() {}
    let spent = sys::thread_cpu_ns() - start;
    done(other.await);
    spent
}

/// A thread with a runtime of its own, which answers each `batch` messages.
fn answer(batch: u64) -> (mpsc::Sender<u64>, mpsc::Receiver<u64>) {
    let (to, mut requests) = mpsc::channel(CAPACITY);
    let (answers, from) = mpsc::channel(CAPACITY);
    thread::spawn(move || {
        let runtime = runtime();
        let task = runtime.spawn(async move {
            let mut received = 0;
            while let Some(message) = requests.recv().await {
                received += 1;
                if received % batch == 0 && answers.send(message).await.is_err() {
                    return;
                }
            }
        });
        done(runtime.block_on(task));
    });
    (to, from)
}

async fn cross_in_batches(count: u64, batch: u64) -> u64 {
    let (to, mut from) = answer(batch);
    let start = sys::wall_ns();
    for i in 0..count {
        done(to.send(i).await);
        if (i + 1) % batch == 0 {
            done(from.recv().await.ok_or("the other thread has ended"));
        }
    }
    sys::wall_ns() - start
}

async fn mutex(count: u64) -> u64 {
    let mutex = Mutex::new(0u64);
    let start = sys::thread_cpu_ns();
    for _ in 0..count {
        *mutex.lock().await += 1;
    }
    sys::thread_cpu_ns() - start
}

async fn semaphore(count: u64) -> u64 {
    let semaphore = Semaphore::new(1);
    let start = sys::thread_cpu_ns();
    for _ in 0..count {
        drop(done(semaphore.acquire().await));
    }
    sys::thread_cpu_ns() - start
}

async fn notify(count: u64) -> u64 {
    let notify = Notify::new();
    let start = sys::thread_cpu_ns();
    for _ in 0..count {
        notify.notify_one();
        notify.notified().await;
    }
    sys::thread_cpu_ns() - start
}

async fn many(count: u64) -> u64 {
    let start = sys::thread_cpu_ns();
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(async {})).collect();
    for task in tasks {
        done(task.await);
    }
    sys::thread_cpu_ns() - start
}

async fn blocking(count: u64) -> u64 {
    let start = sys::wall_ns();
    for _ in 0..count {
        done(spawn_blocking(|| ()).await);
    }
    sys::wall_ns() - start
}

pub fn run() {
    measure("spawn_join", 200_000, spawn_join);
    measure("switch", 200_000, switch);
    measure("yield_pair", 50_000, yield_pair);
    // The budget of a task that never waits is not what is asked for.
    measure("timer", 200_000, |count| unconstrained(timer(count)));
    measure("channel", 500_000, channel);
    // What is free at once spends budget too, and yields when it is spent.
    measure("mutex", 200_000, mutex);
    measure("semaphore", 200_000, semaphore);
    measure("notify", 200_000, notify);
    measure("many", 1_000_000, many);
    measure("cross", 200_000, |count| cross_in_batches(count, BATCH));
    measure("cross_rtt", 5_000, |count| cross_in_batches(count, 1));
    measure("blocking", 5_000, blocking);
}
