//! The egress of a run, seen from the launch: made before the first process inside, started after it, told of at the end.

use super::launch::{Error, Event, failed};
use super::plan::Plan;
use crate::egress::{self, Egress, Settings};
use crate::sys::socket;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// Everything for it, before there is a thread: this process is about to clone.
pub(super) struct Outlet {
    settings: Settings,
    ours: OwnedFd,
    theirs: OwnedFd,
    inbound: Vec<TcpListener>,
}

impl Outlet {
    /// What the plan asks for.
    pub fn make(plan: &Plan) -> Result<Option<Self>, Error> {
        let Some(settings) = plan.egress.clone() else { return Ok(None) };
        let mut inbound = Vec::new();
        for port in settings.network.listen.iter().map(|set| set.value) {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            inbound.push(listener.map_err(failed(&format!("listen on 127.0.0.1:{port}"), Path::new("")))?);
        }
        let (ours, theirs) = socket::pair().map_err(failed("make a socket", Path::new("")))?;
        Ok(Some(Self { settings, ours, theirs, inbound }))
    }

    /// The end of the inside.
    pub fn theirs(&self) -> &OwnedFd {
        &self.theirs
    }

    /// From now on this process has more than one thread.
    pub fn start(self) -> Result<Outward, Error> {
        drop(self.theirs);
        let begun = Egress::start(self.settings, self.ours, self.inbound);
        begun.map(Outward).map_err(failed("start the egress", Path::new("")))
    }
}

/// The running egress.
pub(super) struct Outward(Egress);

impl Outward {
    /// Readable when there is something to tell.
    pub fn news(&self) -> BorrowedFd<'_> {
        self.0.news()
    }

    /// Tells what happened.
    pub fn tell(&mut self, witness: &mut dyn FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        told(self.0.take(), witness)
    }

    /// Ends it, and tells the rest.
    pub fn stop(mut self, witness: &mut dyn FnMut(Event) -> io::Result<()>) -> io::Result<()> {
        told(self.0.stop(), witness)
    }
}

fn told(
    events: impl IntoIterator<Item = egress::Event>,
    witness: &mut dyn FnMut(Event) -> io::Result<()>,
) -> io::Result<()> {
    events.into_iter().try_for_each(|event| witness(Event::Network(event)))
}
