//! Where the content of a body goes while it comes: memory, a file, or the parts of a form, each within its bounds. Fed by
//! the spool thread for what touches the disk; nothing here knows sockets.

use super::super::http::{Body, Bounds, Part, PartContent};
use super::head::Refusal;
use super::multipart::{Multipart, PartHead, Sink};
use super::spool::{Spool, Writing};
use std::io;
use std::sync::Arc;

/// A body that is being received.
pub enum Collector {
    Memory(Vec<u8>),
    /// The file is made when the first bytes come.
    File(Arc<Spool>, Option<Writing>),
    Form(Box<Multipart>, Box<Form>),
}

impl Collector {
    /// For `multipart/form-data` of that `Content-Type`.
    pub fn form(spool: Arc<Spool>, content_type: &str, bounds: Bounds) -> Result<Collector, Refusal> {
        let multipart = Multipart::new(content_type, bounds.parts)?;
        let form = Form { spool, bounds, parts: Vec::new(), current: None };
        Ok(Collector::Form(Box::new(multipart), Box::new(form)))
    }

    /// The next bytes. May wait for the disk unless it is memory.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match self {
            Collector::Memory(all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
            Collector::File(spool, writing) => {
                file(spool, writing)?.write(bytes).map_err(|error| disk(&error))
            }
            Collector::Form(multipart, form) => multipart.push(bytes, form.as_mut()),
        }
    }

    /// All bytes have come.
    pub fn finish(self) -> Result<Body, Refusal> {
        match self {
            Collector::Memory(all) => Ok(Body::Memory(all)),
            Collector::File(spool, mut writing) => {
                file(&spool, &mut writing)?;
                writing.map(|writing| Body::File(writing.finish())).ok_or(BROKEN)
            }
            Collector::Form(multipart, form) => {
                multipart.finish()?;
                Ok(Body::Parts(form.parts))
            }
        }
    }
}

fn file<'a>(spool: &Spool, writing: &'a mut Option<Writing>) -> Result<&'a mut Writing, Refusal> {
    if writing.is_none() {
        *writing = Some(spool.start().map_err(|error| disk(&error))?);
    }
    writing.as_mut().ok_or(BROKEN)
}

const BROKEN: Refusal = Refusal { status: 500, why: "the upload could not be stored" };

/// Which answer an error of the disk is.
fn disk(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Refusal { status: 507, why: "the disk of this registry is full" }
        }
        _ => BROKEN,
    }
}

/// The parts of a form.
pub struct Form {
    spool: Arc<Spool>,
    bounds: Bounds,
    parts: Vec<Part>,
    /// The part that is being received.
    current: Option<(PartHead, Current)>,
}

enum Current {
    Memory(Vec<u8>),
    File(Writing),
}

impl Sink for Form {
    fn begin(&mut self, head: PartHead) -> Result<(), Refusal> {
        let current = match head.file_name {
            Some(_) => Current::File(self.spool.start().map_err(|error| disk(&error))?),
            None => Current::Memory(Vec::new()),
        };
        self.current = Some((head, current));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        match &mut self.current {
            Some((_, Current::Memory(field))) => {
                if field.len() + bytes.len() > self.bounds.field {
                    return Err(Refusal { status: 413, why: "a field of the form is too large" });
                }
                field.extend_from_slice(bytes);
            }
            Some((_, Current::File(writing))) => {
                if writing.length() + bytes.len() as u64 > self.bounds.file {
                    return Err(Refusal { status: 413, why: "a file of the form is too large" });
                }
                writing.write(bytes).map_err(|error| disk(&error))?;
            }
            None => return Err(BROKEN),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let (PartHead { name, file_name, content_type }, current) = self.current.take().ok_or(BROKEN)?;
        let content = match current {
            Current::Memory(field) => PartContent::Memory(field),
            Current::File(writing) => PartContent::File(writing.finish()),
        };
        self.parts.push(Part { name, file_name, content_type, content });
        Ok(())
    }
}
