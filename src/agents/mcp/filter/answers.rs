//! What comes from a server: answers, which go on in part, and what it asks of its client.

use super::*;

impl Filter<'_> {
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
                if method == "notifications/progress" {
                    // Whoever makes progress is not late.
                    let until = Instant::now() + self.patience;
                    let calls = self.waiting.values_mut().filter(|waiting| waiting.what == What::Call);
                    calls.for_each(|waiting| waiting.until = until);
                }
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
            What::Tools { first, own } => self.tools(message, result, first, own, out),
            What::Resources => self.list(message, result, "resources", "uri", out),
            What::Templates => self.list(message, result, "resourceTemplates", "uriTemplate", out),
            What::Prompts => self.list(message, result, "prompts", "name", out),
            What::Call => self.wants_more(&waiting.id, result, line, out),
            What::Stream | What::Other => out.push(passed(line)),
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

    fn tools(&mut self, message: &Node, result: &Node, first: bool, own: bool, out: &mut Vec<Out>) {
        let Some(list) = result.get("tools").and_then(Node::as_array) else {
            return match own {
                true => self.drop_held("the server does not say what tools it has", out),
                false => out.push(bad(message, "the answer of the server has no list of tools")),
            };
        };
        let policy = self.policy;
        let mut shown = Vec::new();
        // Both lists may be under way at one time.
        let mut listed = std::mem::take(&mut self.listed[usize::from(own)]);
        if first {
            listed.clear();
        }
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
            if self.review.tool(policy, tool, &mut listed, &mut told) {
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
        // A list of the client that has several pages need not be the one that it began with.
        if next.is_none()
            && (own || first)
            && let Err(error) = self.review.end(&listed)
        {
            out.push(Out::Say(format!("the tools cannot be kept for the next time: {error}")));
        }
        self.listed[usize::from(own)] = listed;
        if next.is_none() {
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
}
