//! What machines ask a hub all the time: does it live, is it ready, what has it counted. Everything else goes on to the registry.

use super::front::metrics::Metrics;
use super::http::{Handler, Head, Method, Plan, Request, Response};
use crate::policy::host::{Class, class};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the registry says of itself.
pub trait Watched: Send + Sync {
    /// Why it is not ready; none if it is.
    fn unready(&self) -> Option<String>;
    /// Its own numbers, in the text format of Prometheus.
    fn numbers(&self) -> String;
}

/// Answers in front of a registry.
pub struct Health {
    pub registry: Arc<dyn Handler>,
    pub watched: Arc<dyn Watched>,
    pub metrics: Arc<Metrics>,
    /// It is being ended: balancers are to send nobody here.
    pub ending: Arc<AtomicBool>,
}

impl Health {
    fn ready(&self) -> Response {
        if self.ending.load(Ordering::Relaxed) {
            return Response::text(503, "ending\n");
        }
        match self.watched.unready() {
            Some(why) => Response::text(503, &format!("{why}\n")),
            None => Response::text(200, "ready\n"),
        }
    }

    fn numbers(&self) -> Response {
        let text = self.metrics.text() + &self.watched.numbers();
        Response::new(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes())
    }
}

impl Handler for Health {
    fn plan(&self, head: &Head) -> Plan {
        let response = match head.path.as_str() {
            "/healthz" => Response::text(200, "alive\n"),
            "/readyz" => self.ready(),
            // How much a registry is used is nobody's business on the internet.
            "/metrics" if class(head.peer) != Class::Public => self.numbers(),
            _ => return self.registry.plan(head),
        };
        Plan::Now(match head.method {
            Method::Get | Method::Head => response.with("Cache-Control", "no-store"),
            _ => Response::text(405, "only GET and HEAD\n").with("Allow", "GET, HEAD"),
        })
    }

    fn answer(&self, request: Request) -> Response {
        self.registry.answer(request)
    }
}
