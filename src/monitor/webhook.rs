//! Carries alerts to the webhook of `[monitor]`: from a thread of its own, so that nobody waits for a slow receiver; what could not be
//! delivered is told to whoever keeps the log. Decides nothing, and runs outside of every sandbox.

use super::Alert;
use crate::audit::time;
use crate::json::Writer;
#[cfg(feature = "net")]
use crate::net::{Client, Method, Options, Request, Retry, Url};
use crate::policy::webhook_fault;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Alerts that may wait. Each kind is told of once in a minute, so that more means a receiver that is gone.
const WAITING: usize = 64;
/// Name lookup, connection and TLS; silence; one delivery in all.
#[cfg(feature = "net")]
const TIMES: (Duration, Duration, Duration) =
    (Duration::from_secs(5), Duration::from_secs(5), Duration::from_secs(10));
/// How long the end of a run waits for what is on its way.
pub const LAST: Duration = Duration::from_secs(3);
/// Failures that are told; a run with a receiver that is gone would fill its log with them.
const TOLD: usize = 100;

/// One alert on its way.
#[cfg_attr(not(feature = "net"), expect(dead_code, reason = "there is nothing to carry it"))]
struct Message {
    kind: &'static str,
    body: Vec<u8>,
}

/// The thread and the ways to it and back.
#[derive(Debug)]
struct Carrier {
    to: SyncSender<Message>,
    /// One answer for each message: none, or why it was not delivered.
    back: Receiver<Option<String>>,
}

#[derive(Debug)]
pub struct Webhook {
    /// An address, or `env:NAME`.
    at: String,
    carrier: Option<Carrier>,
    /// Messages without an answer.
    open: usize,
    failed: VecDeque<String>,
    told: usize,
}

impl Webhook {
    /// As the policy names it. Nothing is sent, looked up or started before the first alert.
    pub fn new(at: &str) -> Webhook {
        Webhook { at: at.to_owned(), carrier: None, open: 0, failed: VecDeque::new(), told: 0 }
    }

    /// Hands alerts over; `policy` is the hash of the policy that they are under, if one is known. Never waits.
    pub fn send(&mut self, alerts: &[Alert], policy: Option<&str>) {
        for alert in alerts {
            let message = Message { kind: alert.kind, body: body(alert, policy) };
            let carrier = match self.carrier.take() {
                Some(carrier) => Ok(carrier),
                None => start(&self.at),
            };
            match carrier {
                Err(why) => self.fail(alert.kind, &why),
                Ok(carrier) => {
                    match carrier.to.try_send(message) {
                        Ok(()) => self.open += 1,
                        Err(TrySendError::Full(_)) => {
                            self.fail(alert.kind, "too many alerts are waiting to be delivered");
                        }
                        Err(TrySendError::Disconnected(_)) => self.fail(alert.kind, "the sender has ended"),
                    }
                    self.carrier = Some(carrier);
                }
            }
        }
    }

    fn fail(&mut self, kind: &str, why: &str) {
        self.told += 1;
        match self.told {
            count if count <= TOLD => self.failed.push_back(format!("{kind}: {why}")),
            count if count == TOLD + 1 => {
                self.failed.push_back("further failures are not told in this run".to_owned());
            }
            _ => {}
        }
    }

    /// What was not delivered since the last time, each with the kind of alert. At the end of a run it waits until `until` for what is
    /// on its way, and what is still open then counts as not delivered.
    pub fn failures(&mut self, until: Option<Instant>) -> Vec<String> {
        while self.open > 0 {
            let Some(carrier) = &self.carrier else { break };
            let answer = match until {
                None => carrier.back.try_recv().ok(),
                Some(until) => {
                    carrier.back.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
                }
            };
            let Some(answer) = answer else { break };
            self.open -= 1;
            if let Some(why) = answer {
                let (kind, why) = why.split_once(": ").unwrap_or(("", &why));
                let (kind, why) = (kind.to_owned(), why.to_owned());
                self.fail(&kind, &why);
            }
        }
        if until.is_some() && self.open > 0 {
            let open = std::mem::take(&mut self.open);
            self.fail("end", &format!("{open} alerts were still on their way at the end of the run"));
        }
        self.failed.drain(..).collect()
    }
}

/// `weft.alert/1`
fn body(alert: &Alert, policy: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(400);
    // Writing to a Vec cannot fail.
    let _ = Writer::new(&mut out).object(|w| {
        w.field("schema", "weft.alert/1")?;
        w.field("time", &time(alert.timestamp))?;
        w.field("run", &alert.run)?;
        w.field("agent_id", &alert.agent)?;
        if let Some(policy) = policy {
            w.field("policy", policy)?;
        }
        w.field("alert", alert.kind)?;
        w.field("text", &alert.text)
    });
    out
}

/// Where `env:NAME` leads; checked again, for the policy only knew the name.
fn address(at: &str) -> Result<String, String> {
    let Some(name) = at.strip_prefix("env:") else { return Ok(at.to_owned()) };
    let value = std::env::var(name).map_err(|_| format!("the variable {name} is not set"))?;
    match webhook_fault(&value) {
        None if !value.starts_with("env:") => Ok(value),
        // The address itself may be a secret.
        _ => Err(format!("the variable {name} does not hold an https address")),
    }
}

#[cfg(not(feature = "net"))]
fn start(at: &str) -> Result<Carrier, String> {
    let _ = (address(at)?, sync_channel::<Message>(WAITING), thread::yield_now);
    let _: (Sender<()>, Receiver<()>) = channel();
    Err("this build of weft has no network client".to_owned())
}

#[cfg(feature = "net")]
fn start(at: &str) -> Result<Carrier, String> {
    let address = address(at)?;
    let url = Url::parse(&address).map_err(|error| error.what)?;
    let (to, messages) = sync_channel(WAITING);
    let (answers, back) = channel();
    let run = move || carry(&url, &messages, &answers);
    let started = thread::Builder::new().name("webhook".into()).spawn(run);
    started.map_err(|error| format!("no thread for it: {error}"))?;
    Ok(Carrier { to, back })
}

#[cfg(feature = "net")]
fn carry(url: &Url, messages: &Receiver<Message>, answers: &Sender<Option<String>>) {
    let (connect, silence, total) = TIMES;
    let options = Options { connect, silence, total: Some(total), ..Options::default() };
    let once = Retry { attempts: 1, ..Retry::default() };
    let client = Client::new(options, once);
    while let Ok(message) = messages.recv() {
        let request = Request {
            method: Method::Post,
            headers: vec![("content-type", "application/json".to_owned())],
            token: None,
            body: Some(&message.body),
            repeatable: false,
            ..Request::get(url.clone(), 64 << 10)
        };
        let why = match client.send(&request) {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) => Some(format!("the receiver answered with {}", answer.status)),
            // Not where: the address may be a secret.
            Err(error) => Some(error.what),
        };
        if answers.send(why.map(|why| format!("{}: {why}", message.kind))).is_err() {
            return;
        }
    }
}
