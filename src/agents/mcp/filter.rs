//! The filter between a client and a server: each message goes on, goes on in part, or is answered in place of who would have
//! got it. Requests that wait are counted and have a time; nothing is answered twice.

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
    /// Requests of weft's own so far, and pages of the listing that is under way.
    own: u64,
    pages: u32,
    /// Descriptions with instructions are told of, not kept away.
    warn_only: bool,
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
            own: 0,
            pages: 0,
            warn_only,
        }
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
                out.push(Out::Client(rpc::error(id, rpc::INVALID, &why)));
            }
            Ok(Kind::Request { id, method }) => self.request(id, method, &message, &mut out),
            Ok(Kind::Notification { method }) if method.starts_with("notifications/") => {
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
            "ping"
            | "logging/setLevel"
            | "tasks/get"
            | "tasks/list"
            | "tasks/cancel"
            | "subscriptions/listen" => What::Other,
            _ => {
                let why = format!("`{method}` is passed on for nobody");
                return out.push(Out::Client(rpc::error(Some(id), rpc::METHOD, &why)));
            }
        };
        if let What::Tools { first: true, .. } = what {
            self.review.begin();
        }
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
            let until = Instant::now() + self.patience;
            self.waiting.insert(key, Waiting { id: id.clone(), until, what });
            return out.push(Out::Server(rpc::line(message)));
        };
        out.push(Out::Client(rpc::error(Some(id), rpc::INVALID, why)));
    }

    fn decided(&mut self, id: &Node, message: &Node, target: String, decision: Decision, out: &mut Vec<Out>) {
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
            self.review.begin();
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

    /// A line of the server, without its end.
    pub fn server(&mut self, line: &[u8]) -> Vec<Out> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Vec::new();
        }
        // Servers print to where only messages belong; that is no message, and for nobody.
        if line.first() != Some(&b'{') {
            return vec![Out::Say("the server printed a line that is no message".to_owned())];
        }
        let read = message::read(line).and_then(|message| rpc::kind(&message).map(|_| ()).map(|()| message));
        let message = match read {
            Ok(message) => message,
            Err(why) => return self.unreadable(&why),
        };
        let mut out = Vec::new();
        match rpc::kind(&message) {
            Err(_) => {}
            Ok(Kind::Request { id, method }) => self.asks(id, method, &message, line, &mut out),
            Ok(Kind::Notification { method }) => {
                if method == "notifications/tools/list_changed" {
                    self.review.forget();
                }
                if method.starts_with("notifications/") {
                    out.push(passed(line));
                }
            }
            Ok(Kind::Response { id }) => self.answered(id, &message, line, &mut out),
        }
        out
    }

    /// What a server asks of its client: a model's answer and a person's are for those that the policy names.
    fn asks(&mut self, id: &Node, method: &str, message: &Node, line: &[u8], out: &mut Vec<Out>) {
        let decision = match method {
            "ping" | "roots/list" => None,
            _ => Some(self.of_client(method, out)),
        };
        match decision {
            Some(decision) if !decision.allowed => {
                out.push(Out::Server(rpc::error(message.get("id"), rpc::METHOD, &said(&decision))));
            }
            _ if self.asked.len() >= WAITING => {
                out.push(Out::Server(rpc::error(message.get("id"), rpc::INVALID, "too many requests wait")));
            }
            _ => {
                self.asked.insert(rpc::key(id));
                out.push(passed(line));
            }
        }
    }

    fn of_client(&self, method: &str, out: &mut Vec<Out>) -> Decision {
        let target = format!("client:{method}");
        let decision = named(self.policy, &target);
        out.push(Out::Log { target, decision: decision.clone() });
        decision
    }

    fn answered(&mut self, id: &Node, message: &Node, line: &[u8], out: &mut Vec<Out>) {
        let Some(waiting) = self.waiting.remove(&rpc::key(id)) else {
            // An answer to nothing, or one that is late: the client has another.
            return out.push(Out::Say("the server answered what nobody asked, or too late".to_owned()));
        };
        let Some(result) = message.get("result") else {
            return match waiting.what {
                What::Tools { own: true, .. } => {
                    self.drop_held("the server does not say what tools it has", out)
                }
                _ => out.push(passed(line)),
            };
        };
        match waiting.what {
            What::Introduction => self.introduction(message, result, line, out),
            What::Tools { own, .. } => self.tools(message, result, own, out),
            What::Resources => self.list(message, result, "resources", "uri", out),
            What::Templates => self.list(message, result, "resourceTemplates", "uriTemplate", out),
            What::Prompts => self.list(message, result, "prompts", "name", out),
            What::Call => self.wants_more(&waiting.id, result, line, out),
            What::Other => out.push(passed(line)),
        }
    }

    /// What a server wants a model to know about it.
    fn introduction(&mut self, message: &Node, result: &Node, line: &[u8], out: &mut Vec<Out>) {
        let Some(finding) = result.get("instructions").and_then(|node| worst(&texts(node))) else {
            return out.push(passed(line));
        };
        out.push(Out::Say(format!("the server's own instructions speak to the model: {finding}")));
        let decision = refuse(finding.to_string());
        out.push(Out::Log { target: "server:instructions".to_owned(), decision });
        match self.warn_only {
            true => out.push(passed(line)),
            false => out.push(Out::Client(rpc::line(&with(message, &without(result, "instructions"))))),
        }
    }

    fn tools(&mut self, message: &Node, result: &Node, own: bool, out: &mut Vec<Out>) {
        let Some(list) = result.get("tools").and_then(Node::as_array) else {
            return match own {
                true => self.drop_held("the server does not say what tools it has", out),
                false => out.push(bad(message, "the answer of the server has no list of tools")),
            };
        };
        let policy = self.policy;
        let mut shown = Vec::new();
        for tool in list {
            let mut told = |name: &str, status: &Status| {
                let why = status.why().unwrap_or_default();
                // That a policy does not name a tool is no news; the rest is.
                if !matches!(status, Status::Denied(_)) {
                    out.push(Out::Say(format!("the tool {name} is kept away: {why}")));
                }
                let decision = match status {
                    Status::Denied(decision) => decision.clone(),
                    _ => refuse(why),
                };
                out.push(Out::Log { target: format!("{name} (listed)"), decision });
            };
            if self.review.tool(policy, tool, &mut told) {
                shown.push(tool.clone());
            }
        }
        // The second of a name shows that the first was not to be had either.
        let review = &self.review;
        shown.retain(|tool| {
            let name = tool.get("name").and_then(Node::as_str).unwrap_or_default();
            matches!(review.status(name), Some(Status::Shown))
        });
        let next = result.get("nextCursor").filter(|next| next.as_str().is_some());
        if next.is_none() {
            if let Err(error) = self.review.end() {
                out.push(Out::Say(format!("the tools cannot be kept for the next time: {error}")));
            }
            if own {
                self.release(out);
            }
        } else if own {
            match self.pages < PAGES {
                true => self.ask_tools(next, out),
                false => self.drop_held("the list of tools does not end", out),
            }
        }
        if !own {
            let tools = Node { value: Value::Array(shown), at: 0 };
            out.push(Out::Client(rpc::line(&with(message, &replaced(result, "tools", tools)))));
        }
    }

    fn list(&mut self, message: &Node, result: &Node, member: &str, key: &str, out: &mut Vec<Out>) {
        let Some(list) = result.get(member).and_then(Node::as_array) else {
            return out.push(bad(message, "the answer of the server has no list"));
        };
        let mut shown = Vec::new();
        for item in list {
            let Some(name) = item.get(key).and_then(Node::as_str) else { continue };
            let (target, decision) = match member {
                "prompts" => {
                    let target = format!("prompt:{name}");
                    let decision = named(self.policy, &target);
                    (target, decision)
                }
                "resources" => self.resource(name),
                _ => self.template(name),
            };
            if !decision.allowed {
                out.push(Out::Log { target: format!("{target} (listed)"), decision });
                continue;
            }
            if let Some(finding) = worst(&texts(item)) {
                out.push(Out::Say(format!(
                    "{target}: what the server says of it carries instructions: {finding}"
                )));
                out.push(Out::Log {
                    target: format!("{target} (listed)"),
                    decision: refuse(finding.to_string()),
                });
                if !self.warn_only {
                    continue;
                }
            }
            shown.push(item.clone());
        }
        let items = Node { value: Value::Array(shown), at: 0 };
        out.push(Out::Client(rpc::line(&with(message, &replaced(result, member, items)))));
    }

    /// An answer that asks the client for a model's or a person's answer first.
    fn wants_more(&mut self, id: &Node, result: &Node, line: &[u8], out: &mut Vec<Out>) {
        let wanted = result.get("inputRequests").map(|requests| requests.as_object().unwrap_or_default());
        for (_, request) in wanted.unwrap_or_default() {
            let method = request.get("method").and_then(Node::as_str).unwrap_or_default();
            if method == "roots/list" {
                continue;
            }
            let decision = self.of_client(method, out);
            if !decision.allowed {
                let why = format!("the server asks its client for `{method}`: {}", said(&decision));
                return out.push(Out::Client(rpc::error(Some(id), rpc::DENIED, &why)));
            }
        }
        out.push(passed(line));
    }

    /// A message that cannot be read could be the answer to anything that waits.
    pub fn unreadable(&mut self, why: &str) -> Vec<Out> {
        let mut out = vec![Out::Say(format!("the server sent what cannot be passed on: {why}"))];
        self.fail(&format!("the server sent what cannot be passed on: {why}"), &mut out);
        out
    }

    /// The server is gone.
    pub fn gone(&mut self) -> Vec<Out> {
        let mut out = Vec::new();
        self.fail("the server has ended", &mut out);
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
