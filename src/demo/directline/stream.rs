//! A conversation over a web socket: what was said before, then what is being said.

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::state::{Denied, Double};
use super::{At, denied};

#[derive(Debug, Deserialize)]
pub(super) struct Ticket {
    t: Option<String>,
}

pub(super) async fn open(
    State(double): State<Double>,
    Path(id): Path<String>,
    Query(ticket): Query<Ticket>,
    Query(at): Query<At>,
    upgrade: WebSocketUpgrade,
) -> Response {
    match double.token(ticket.t.as_deref().unwrap_or_default()) {
        Ok(conversation) if conversation == id => {
            upgrade.on_upgrade(move |socket| tell(double, id, at.index(), socket))
        }
        Ok(_) => denied(Denied::Unknown),
        Err(reason) => denied(reason),
    }
}

async fn tell(double: Double, id: String, mut told: usize, mut socket: WebSocket) {
    let Some(mut news) = double.news(&id) else { return };
    loop {
        news.mark_unchanged();
        let batch = double.after(&id, told);
        let count = batch["activities"].as_array().map_or(0, Vec::len);
        if count > 0 && socket.send(Message::text(batch.to_string())).await.is_err() {
            return;
        }
        told += count;
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) { return },
        }
    }
}
