//! Open runs at a start: one thread reads rows, some decode them, and the cell takes the parts before meanwhile.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures::stream::StreamExt as _;
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::read::{COLUMNS, Raw, unreadable};
use super::reader::Reader;
use super::{legacy, said};
use crate::core::run::Run;
use crate::store::codec::{self, Shared};
use crate::store::{Runs, StoreError};

/// Runs in a part.
const PART: usize = 4_096;
/// Parts that wait for the cell, or for a decoder.
const AHEAD: usize = 4;
/// More threads than this have to wait for the one that reads.
const DECODERS: usize = 4;

type Part = Result<Vec<Run>, StoreError>;
type Specs = HashMap<i64, Shared>;

pub(super) fn open_runs(reader: &Reader) -> Runs {
    let (parts, mut taken) = mpsc::channel(AHEAD);
    reader.read_on(move |connection, dir| {
        let say = |e: rusqlite::Error| said(dir, &e);
        if let Err(error) = read(connection, &parts, &say) {
            // Nobody waiting for the parts any more is no error.
            let _ = parts.blocking_send(Err(say(error)));
        }
    });
    Runs::new(futures::stream::poll_fn(move |context| taken.poll_recv(context)).boxed())
}

fn read(
    connection: &Connection,
    parts: &mpsc::Sender<Part>,
    say: &(impl Fn(rusqlite::Error) -> StoreError + Sync),
) -> rusqlite::Result<()> {
    // One state of the database for all of it.
    let connection = connection.unchecked_transaction()?;
    let decoders = thread::available_parallelism().map_or(1, NonZero::get).min(DECODERS);
    let specs = specs(&connection, decoders)?;
    thread::scope(|scope| {
        let (raw, to_decode) = sync_channel(AHEAD);
        let to_decode = Arc::new(Mutex::new(to_decode));
        for _ in 0..decoders {
            let (to_decode, parts, specs) = (Arc::clone(&to_decode), parts.clone(), &specs);
            scope.spawn(move || decode(&to_decode, &parts, specs, say));
        }
        // With the last of the decoders its end of the channel is gone as well.
        drop(to_decode);
        rows(&connection, &raw)
    })?;
    let mut part = Vec::new();
    legacy::each_open(&connection, |run| {
        part.push(run);
        if part.len() >= PART {
            let _ = parts.blocking_send(Ok(std::mem::take(&mut part)));
        }
    })?;
    let _ = parts.blocking_send(Ok(part));
    Ok(())
}

/// What open runs share, decoded by as many threads.
fn specs(connection: &Connection, decoders: usize) -> rusqlite::Result<Specs> {
    let sql = "SELECT id, body FROM specs WHERE id IN (SELECT spec FROM open)";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, Vec<u8>)> = rows.collect::<rusqlite::Result<_>>()?;
    let shared = |rows: &[(i64, Vec<u8>)]| {
        let one = |(id, body): &(i64, Vec<u8>)| {
            let shared = codec::decode_shared(body).map_err(|e| unreadable(&format!("request {id}"), e))?;
            Ok((*id, shared))
        };
        rows.iter().map(one).collect::<rusqlite::Result<Vec<_>>>()
    };
    let size = rows.len().div_ceil(decoders).max(1);
    let decoded: Vec<rusqlite::Result<Vec<_>>> = thread::scope(|scope| {
        let threads: Vec<_> = rows.chunks(size).map(|rows| scope.spawn(move || shared(rows))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut specs = Specs::with_capacity(rows.len());
    for part in decoded {
        specs.extend(part?);
    }
    Ok(specs)
}

fn rows(connection: &Connection, raw: &SyncSender<Vec<Raw>>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM open"))?;
    let mut rows = statement.query([])?;
    let mut part = Vec::with_capacity(PART);
    while let Some(row) = rows.next()? {
        part.push(Raw::of(row)?);
        // An error: there is no decoder any more, and so nobody who waits.
        if part.len() >= PART && raw.send(std::mem::replace(&mut part, Vec::with_capacity(PART))).is_err() {
            return Ok(());
        }
    }
    let _ = raw.send(part);
    Ok(())
}

fn decode(
    raw: &Mutex<Receiver<Vec<Raw>>>,
    parts: &mpsc::Sender<Part>,
    specs: &Specs,
    say: &impl Fn(rusqlite::Error) -> StoreError,
) {
    loop {
        let next = raw.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(part) = next else { return };
        let runs = part.into_iter().map(|raw| raw.run(specs)).collect::<rusqlite::Result<Vec<_>>>();
        let is_wrong = runs.is_err();
        if parts.blocking_send(runs.map_err(say)).is_err() || is_wrong {
            return;
        }
    }
}
