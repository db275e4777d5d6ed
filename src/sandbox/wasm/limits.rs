//! What a WebAssembly program may use: memory and tables by count. CPU time is the kernel's to limit, for the interpreter's process: it counts
//! what calls cost as well, and no instruction has to be counted, which would take a tenth of the time.

use wasmi::ResourceLimiter;
use wasmi_core::LimiterError;

/// What the interpreter itself may use beside the program's memory: weft, the module and its translation.
pub const OWN_MEMORY: u64 = 256 << 20;
/// Elements of all tables together.
const ELEMENTS: usize = 1 << 20;
/// Tables of a module.
const TABLES: usize = 100;
/// Calls inside calls.
pub const DEPTH: usize = 50_000;
/// Bytes of the program's values on the stack.
pub const STACK: usize = 16 << 20;
/// A larger module is no tool.
pub const MODULE: u64 = 128 << 20;
/// Descriptors, if the policy names no number.
pub const FILES: usize = 1_024;

/// Counts what grows.
#[derive(Debug)]
pub struct Bounds {
    /// Bytes of memory and tables, if the policy says.
    memory: Option<u64>,
    used: u64,
    elements: usize,
    /// The policy's limit was in the way.
    hit: bool,
    told: bool,
}

impl Bounds {
    pub fn new(memory: Option<u64>) -> Bounds {
        Bounds { memory, used: 0, elements: 0, hit: false, told: false }
    }

    /// Whether the limit on memory was reached, ever.
    pub fn memory_was_short(&self) -> bool {
        self.hit
    }

    /// Whether the limit on memory was reached, and nobody was told of it.
    pub fn untold(&mut self) -> bool {
        let news = self.hit && !self.told;
        self.told |= news;
        news
    }

    fn take(&mut self, bytes: usize) -> bool {
        let used = self.used.saturating_add(bytes as u64);
        if self.memory.is_some_and(|most| used > most) {
            self.hit = true;
            return false;
        }
        self.used = used;
        true
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        Ok(self.take(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let more = desired.saturating_sub(current);
        let elements = self.elements.saturating_add(more);
        if maximum.is_some_and(|most| desired > most) || elements > ELEMENTS {
            return Ok(false);
        }
        let fits = self.take(more.saturating_mul(size_of::<usize>()));
        if fits {
            self.elements = elements;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_tables_are_counted_together() {
        let mut bounds = Bounds::new(Some(1 << 20));
        assert_eq!(bounds.memory_growing(0, 1 << 19, None).ok(), Some(true));
        assert_eq!(bounds.table_growing(0, 1 << 16, None).ok(), Some(true));
        assert!(!bounds.memory_was_short());
        assert_eq!(bounds.memory_growing(1 << 19, 1 << 20, None).ok(), Some(false));
        assert!(bounds.untold() && !bounds.untold());
        let mut free = Bounds::new(None);
        assert_eq!(free.memory_growing(0, 4 << 30, None).ok(), Some(true));
        assert_eq!(free.memory_growing(0, 2, Some(1)).ok(), Some(false));
        assert_eq!(free.table_growing(0, ELEMENTS + 1, None).ok(), Some(false));
        assert!(!free.memory_was_short());
    }
}
