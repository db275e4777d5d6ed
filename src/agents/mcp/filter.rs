//! The filter between a client and a server: each message goes on, goes on in part, or is answered in place of who would have
//! got it. Requests that wait are counted and have a time; nothing is answered twice.

mod answers;

use super::accepted::Accepted;
use super::review::{Review, Status, texts, worst};
use super::rpc::{self, Kind};
use crate::agents::call::{self, Call, refuse};
use crate::agents::message;
use crate::json::{Node, Value};
use crate::policy::decide::covers;
use crate::policy::{Decision, Must, Policy, ask};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// What is to be done.
#[derive(Debug)]
pub enum Out {
    /// A line for the client.
    Client(Vec<u8>),
    /// A line for the server.
    Server(Vec<u8>),
    /// An entry of the log.
    Log { target: String, decision: Decision },
    /// A line for whoever looks after the server.
    Say(String),
}

/// A request of the client that the server has to answer.
struct Waiting {
    id: Node,
    until: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The answer may have instructions for the model.
    Introduction,
    /// A page of the list of tools: is it the first? Is it weft that asks?
    Tools {
        first: bool,
        own: bool,
    },
    Resources,
    Templates,
    Prompts,
    /// An answer that may ask the client for something.
    Call,
    /// Answered when the client has heard enough, however long that is.
    Stream,
    Other,
}

/// Requests that may wait at one time; the client is told to wait itself.
const WAITING: usize = 1024;
/// Calls that may wait for weft to learn what tools there are.
const HELD: usize = 64;
/// Pages of one listing.
const PAGES: u32 = 256;

pub struct Filter<'p> {
    policy: &'p Policy,
    review: Review,
    /// How long the server may take for an answer.
    patience: Duration,
    waiting: HashMap<String, Waiting>,
    /// Requests of the server that the client has to answer.
    asked: HashSet<String>,
    held: Vec<Node>,
    /// Names in the pages so far: of the list that weft asks for, and of the one that the client does.
    listed: [Vec<String>; 2],
    /// Requests of weft's own so far, and pages of the listing that is under way.
    own: u64,
    pages: u32,
    /// Descriptions with instructions are told of, not kept away.
    warn_only: bool,
    /// The monitor lets nothing go on until then, and why.
    paused: Option<(Instant, String)>,
}

/// What the policy says of a tool of this name, arguments aside.
pub fn named(policy: &Policy, name: &str) -> Decision {
    call::decide(policy, Call { tool: name, arguments: None })
}

impl<'p> Filter<'p> {
    pub fn new(policy: &'p Policy, accepted: Accepted, warn_only: bool, patience: Duration) -> Filter<'p> {
        Filter {
            policy,
            review: Review::new(accepted, warn_only),
            patience,
            waiting: HashMap::new(),
            asked: HashSet::new(),
            held: Vec::new(),
            listed: [Vec::new(), Vec::new()],
            own: 0,
            pages: 0,
            warn_only,
            paused: None,
        }
    }

    /// Nothing that is decided about goes on until then.
    pub fn pause(&mut self, until: Instant, why: &str) {
        self.paused = Some((until, why.to_owned()));
    }

    /// A line for the server that does not go out after all: what the client gets for it.
    pub fn withdraw(&mut self, line: &[u8], why: &str) -> Option<Vec<u8>> {
        let message = message::read(line.trim_ascii()).ok()?;
        let Ok(Kind::Request { id, .. }) = rpc::kind(&message) else { return None };
        let waiting = self.waiting.remove(&rpc::key(id))?;
        Some(rpc::error(Some(&waiting.id), rpc::DENIED, why))
    }

    /// A line of the client, without its end.
    pub fn client(&mut self, line: &[u8]) -> Vec<Out> {
        let message = match message::read(line) {
            Ok(message) => message,
            Err(why) => return vec![Out::Client(rpc::error(None, rpc::PARSE, &why))],
        };
        let mut out = Vec::new();
        match rpc::kind(&message) {
            Err(why) => {
                let id =
                    message.get("id").filter(|id| matches!(id.value, Value::String(_) | Value::Number(_)));
                out.push(Out::Client(rpc::error(self.free(id), rpc::INVALID, &why)));
            }
            Ok(Kind::Request { id, method }) => self.request(id, method, &message, &mut out),
            Ok(Kind::Notification { method }) if method.starts_with("notifications/") => {
                // Whoever cancels waits for no answer.
                if method == "notifications/cancelled"
                    && let Some(id) = message.get("params").and_then(|params| params.get("requestId"))
                {
                    self.waiting.remove(&rpc::key(id));
                }
                out.push(Out::Server(rpc::line(&message)));
            }
            Ok(Kind::Notification { .. }) => {}
            Ok(Kind::Response { id }) => {
                if self.asked.remove(&rpc::key(id)) {
                    out.push(Out::Server(rpc::line(&message)));
                }
            }
        }
        out
    }

    fn request(&mut self, id: &Node, method: &str, message: &Node, out: &mut Vec<Out>) {
        let params = message.get("params");
        let text = |name: &str| params.and_then(|params| params.get(name)).and_then(Node::as_str);
        let what = match method {
            "initialize" | "server/discover" => What::Introduction,
            "tools/list" => What::Tools { first: text("cursor").is_none(), own: false },
            "resources/list" => What::Resources,
            "resources/templates/list" => What::Templates,
            "prompts/list" => What::Prompts,
            "tools/call" => {
                if !self.review.is_complete() {
                    return self.hold(id, message, out);
                }
                return self.call(id, message, out);
            }
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                let uri = text("uri").unwrap_or_default();
                let (target, decision) = self.resource(uri);
                return self.decided(id, message, target, decision, out);
            }
            "prompts/get" => {
                let target = format!("prompt:{}", text("name").unwrap_or_default());
                let decision = named(self.policy, &target);
                return self.decided(id, message, target, decision, out);
            }
            "completion/complete" => {
                let about = params.and_then(|params| params.get("ref"));
                let part = |name: &str| about.and_then(|about| about.get(name)).and_then(Node::as_str);
                let (target, decision) = match (part("name"), part("uri")) {
                    (Some(name), None) => {
                        let target = format!("prompt:{name}");
                        let decision = named(self.policy, &target);
                        (target, decision)
                    }
                    (None, Some(uri)) => self.template(uri),
                    _ => ("completion".to_owned(), refuse("it is about neither a prompt nor a resource")),
                };
                return self.decided(id, message, target, decision, out);
            }
            "tasks/result" => What::Call,
            "ping" | "logging/setLevel" | "tasks/get" | "tasks/list" | "tasks/cancel" => What::Other,
            "subscriptions/listen" => What::Stream,
            _ => {
                let why = format!("`{method}` is passed on for nobody");
                return out.push(Out::Client(rpc::error(Some(id), rpc::METHOD, &why)));
            }
        };
        self.forward(id, message, what, out);
    }

    /// Passes a request on, and remembers that it waits.
    fn forward(&mut self, id: &Node, message: &Node, what: What, out: &mut Vec<Out>) {
        let key = rpc::key(id);
        let why = if self.waiting.contains_key(&key) {
            "there is a request of this id already"
        } else if self.waiting.len() >= WAITING {
            "too many requests wait for an answer"
        } else {
            let day = Duration::from_secs(24 * 3600);
            let patience = if what == What::Stream { day * 365 } else { self.patience };
            let until = Instant::now() + patience;
            self.waiting.insert(key, Waiting { id: id.clone(), until, what });
            return out.push(Out::Server(rpc::line(message)));
        };
        out.push(Out::Client(rpc::error(self.free(Some(id)), rpc::INVALID, why)));
    }

    /// The id, unless a request waits under it: an error in its name would be taken for the answer to that one.
    fn free<'i>(&self, id: Option<&'i Node>) -> Option<&'i Node> {
        id.filter(|id| !self.waiting.contains_key(&rpc::key(id)))
    }

    fn decided(&mut self, id: &Node, message: &Node, target: String, decision: Decision, out: &mut Vec<Out>) {
        let paused = self.paused.as_ref().filter(|(until, _)| *until > Instant::now());
        let decision = match paused {
            Some((_, why)) => refuse(format!("paused by the monitor: {why}")),
            None => decision,
        };
        let allowed = decision.allowed;
        let why = said(&decision);
        out.push(Out::Log { target, decision });
        match allowed {
            true => self.forward(id, message, What::Call, out),
            false => out.push(Out::Client(rpc::error(Some(id), rpc::DENIED, &why))),
        }
    }

    fn call(&mut self, id: &Node, message: &Node, out: &mut Vec<Out>) {
        let params = message.get("params");
        let name = params.and_then(|params| params.get("name")).and_then(Node::as_str).unwrap_or_default();
        let arguments = params.and_then(|params| params.get("arguments"));
        let empty = Node { value: Value::Object(Vec::new()), at: 0 };
        let decision = match arguments {
            Some(arguments) if arguments.as_object().is_none() => refuse("the arguments are no object"),
            arguments => {
                let call = Call { tool: name, arguments: Some(arguments.unwrap_or(&empty)) };
                let decision = call::decide(self.policy, call);
                match (decision.allowed, self.review.status(name)) {
                    (false, _) => decision,
                    (true, Some(Status::Shown)) => decision,
                    (true, Some(status)) => refuse(status.why().unwrap_or_default()),
                    (true, None) => refuse("the server has no tool of this name"),
                }
            }
        };
        self.decided(id, message, name.to_owned(), decision, out);
    }

    /// A call before it is known what tools there are: weft asks.
    fn hold(&mut self, id: &Node, message: &Node, out: &mut Vec<Out>) {
        if self.held.len() >= HELD {
            return out.push(Out::Client(rpc::error(
                Some(id),
                rpc::INVALID,
                "too many calls wait for the list of tools",
            )));
        }
        self.held.push(message.clone());
        if self.held.len() == 1 {
            self.pages = 0;
            self.ask_tools(None, out);
        }
    }

    fn ask_tools(&mut self, cursor: Option<&Node>, out: &mut Vec<Out>) {
        self.own += 1;
        self.pages += 1;
        let id = format!("weft-{}", self.own);
        let node = Node { value: Value::String(id.clone()), at: 0 };
        // What a client says of itself with each request, but for what is about that request alone.
        let meta = self.held.first().and_then(|held| held.get("params")?.get("_meta")).map(|meta| {
            let members = meta.as_object().unwrap_or_default();
            let kept = members.iter().filter(|(name, _)| name != "progressToken").cloned();
            Node { value: Value::Object(kept.collect()), at: 0 }
        });
        let more: Vec<(&str, &Node)> = cursor.map(|cursor| ("cursor", cursor)).into_iter().collect();
        out.push(Out::Server(rpc::request(&id, "tools/list", meta.as_ref(), &more)));
        let what = What::Tools { first: cursor.is_none(), own: true };
        let until = Instant::now() + self.patience;
        self.waiting.insert(rpc::key(&node), Waiting { id: node, until, what });
    }

    /// The calls that waited for the list.
    fn release(&mut self, out: &mut Vec<Out>) {
        for message in std::mem::take(&mut self.held) {
            if let Ok(Kind::Request { id, .. }) = rpc::kind(&message) {
                self.call(id, &message, out);
            }
        }
    }

    /// There will be no list: what waited for it is not called.
    fn drop_held(&mut self, why: &str, out: &mut Vec<Out>) {
        for message in std::mem::take(&mut self.held) {
            out.push(Out::Client(rpc::error(message.get("id"), rpc::NO_ANSWER, why)));
        }
    }

    /// What is read under a URI: a file or a place on the network that the policy allows, or what `tools.allow` names as
    /// `resource:URI`.
    fn resource(&self, uri: &str) -> (String, Decision) {
        let target = format!("resource:{uri}");
        let by_name = named(self.policy, &target);
        let denied = by_name.rule.is_some() && !by_name.allowed;
        if by_name.allowed || denied {
            return (target, by_name);
        }
        let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let must = match scheme.as_deref() {
            Some("file") => Must::Read,
            Some("http" | "https" | "ws" | "wss") => Must::Connect,
            _ => return (target, by_name),
        };
        let decision = match call::question(must, uri, self.policy) {
            Ok(question) => ask(self.policy, &question),
            Err(why) => refuse(why),
        };
        (target, decision)
    }

    /// A template: what it is for is decided when it is used, unless its name is denied.
    fn template(&self, uri: &str) -> (String, Decision) {
        let scheme = uri.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let (target, decision) = self.resource(uri);
        let plain = matches!(scheme.as_deref(), Some("file" | "http" | "https" | "ws" | "wss"));
        match plain && !self.policy.tools.deny.iter().any(|deny| covers(&deny.value, &target)) {
            true => (
                target,
                Decision { allowed: true, rule: None, reason: "it is decided when it is used".into() },
            ),
            false => (target, decision),
        }
    }

    /// A message that cannot be read could be the answer to anything that waits.
    pub fn unreadable(&mut self, why: &str) -> Vec<Out> {
        let mut out = vec![Out::Say(format!("the server sent what cannot be passed on: {why}"))];
        self.fail(&format!("the server sent what cannot be passed on: {why}"), &mut out);
        out
    }

    /// There will be no more answers.
    pub fn gone(&mut self, why: &str) -> Vec<Out> {
        let mut out = Vec::new();
        self.fail(why, &mut out);
        out
    }

    fn fail(&mut self, why: &str, out: &mut Vec<Out>) {
        for (_, waiting) in std::mem::take(&mut self.waiting) {
            if !matches!(waiting.what, What::Tools { own: true, .. }) {
                out.push(Out::Client(rpc::error(Some(&waiting.id), rpc::NO_ANSWER, why)));
            }
        }
        self.drop_held(why, out);
    }

    /// Answers what has waited too long, and says when to look again.
    pub fn late(&mut self, now: Instant) -> (Vec<Out>, Option<Instant>) {
        let mut out = Vec::new();
        let late: Vec<String> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in late {
            let Some(waiting) = self.waiting.remove(&key) else { continue };
            let why = format!("the server did not answer within {:?}", self.patience);
            match waiting.what {
                What::Tools { own: true, .. } => self.drop_held(&why, &mut out),
                _ => out.push(Out::Client(rpc::error(Some(&waiting.id), rpc::NO_ANSWER, &why))),
            }
        }
        (out, self.waiting.values().map(|waiting| waiting.until).min())
    }
}

fn said(decision: &Decision) -> String {
    let by = decision.rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
    format!("denied: {}{by}", decision.reason)
}

/// The line as it came.
fn passed(line: &[u8]) -> Out {
    let mut line = line.to_vec();
    line.push(b'\n');
    Out::Client(line)
}

fn bad(message: &Node, why: &str) -> Out {
    Out::Client(rpc::error(message.get("id"), rpc::NO_ANSWER, why))
}

fn with(message: &Node, result: &Node) -> Node {
    replaced(message, "result", result.clone())
}

fn replaced(node: &Node, name: &str, value: Node) -> Node {
    let mut node = node.clone();
    if let Value::Object(members) = &mut node.value
        && let Some((_, old)) = members.iter_mut().find(|(known, _)| known == name)
    {
        *old = value;
    }
    node
}

fn without(node: &Node, name: &str) -> Node {
    let mut node = node.clone();
    if let Value::Object(members) = &mut node.value {
        members.retain(|(known, _)| known != name);
    }
    node
}
