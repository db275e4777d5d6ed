//! Interprets a module from its first byte to its end, in a process of its own whose walls are up.

use super::errno::Stop;
use super::http::Way;
use super::limits::{Bounds, DEPTH, STACK};
use super::link;
use super::plan::Guest;
use super::rules::Rules;
use super::world::World;
use crate::policy::Policy;
use crate::sandbox::launch::Message;
use crate::sandbox::pid1::Ours;
use crate::sandbox::plan::Plan;
use crate::sys::guest as calls;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wasmi::{CompilationMode, Config, Engine, Error, Linker, Module, Store, TrapCode};

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this code.
    Exit(u32),
    /// By a signal, and why if it was not its own wish.
    Signal(i32, String),
    /// It never began: no program, or none for WASI preview 1.
    NoProgram(String),
}

/// Runs the program of a plan; gives the exit code, or ends this process by a signal.
pub fn run(
    policy: &Policy,
    plan: &Plan,
    guest: &Guest,
    words: &[OsString],
    module: &[u8],
    ours: &Ours<'_>,
) -> i32 {
    let trap = |text: String| Message::Trap { text }.send(ours.weft);
    let Ok(weft) = ours.weft.try_clone() else { return 125 };
    let scratch = guest.scratch.as_deref().unwrap_or(&policy.places.tmpdir);
    let bounds = Bounds::new(guest.memory);
    // What it starts with does not count.
    let files = guest.files.saturating_add(guest.folders.len() + 4);
    let mut world = World::new(weft, Rules::of(policy, scratch), bounds, files);
    world.args = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    world.env = plan.env.iter().map(|variable| variable.as_bytes().to_vec()).collect();
    world.output = guest.output;
    world.http = plan.egress.as_ref().and_then(|it| Way::of(it, ours.egress, plan.has_walls()));
    world.add_standard();
    if let Ok(here) = std::env::current_dir()
        && world.rules.leads(&here)
    {
        world.add_folder(".", &here, None);
    }
    for given in &guest.folders {
        world.add_folder(&given.name, Path::new(&given.path), given.id);
    }
    let (outcome, mut world) = interpret(module, None, world);
    if let Some(world) = &mut world {
        world.tell_limits();
    }
    match outcome {
        Outcome::Exit(code) => i32::try_from(code.min(255)).unwrap_or(255),
        Outcome::Signal(signal, why) => {
            if !why.is_empty() {
                let short = world.is_some_and(|world| world.bounds.memory_was_short());
                trap(if short { format!("{why}, after memory was short") } else { why });
            }
            calls::die_of(signal);
            128 + signal
        }
        Outcome::NoProgram(why) => {
            trap(why);
            Message::NoCommand { errno: libc::ENOEXEC }.send(ours.weft);
            126
        }
    }
}

/// Runs a module that is given nothing, with so much fuel and memory. For tests and fuzzers.
///
/// # Errors
/// Only the system's: no socket could be made.
pub fn try_module(policy: &Policy, module: &[u8], fuel: u64, memory: u64) -> std::io::Result<Outcome> {
    let (weft, _other) = crate::sys::socket::pair()?;
    let rules = Rules::of(policy, &policy.places.tmpdir);
    let world = World::new(weft, rules, Bounds::new(Some(memory)), 8);
    Ok(interpret(module, Some(fuel), world).0)
}

fn config(fuel: bool) -> Config {
    let mut config = Config::default();
    config
        .consume_fuel(fuel)
        .set_max_recursion_depth(DEPTH)
        .set_max_stack_height(STACK)
        .ignore_custom_sections(true)
        .wasm_multi_memory(false)
        // All is validated at the start, and a function translated when it is first called. Validating late as well would start sooner,
        // but the translation is made for what is valid: on other bytes it panics.
        .compilation_mode(CompilationMode::LazyTranslation);
    config
}

/// `fuel` ends what would not end by itself, for tests and fuzzers: a run has the kernel's limit on CPU time, which costs nothing.
fn interpret(bytes: &[u8], fuel: Option<u64>, world: World) -> (Outcome, Option<World>) {
    let engine = Engine::new(&config(fuel.is_some()));
    let no_program = |error: Error| Outcome::NoProgram(format!("it is no valid module: {error}"));
    let module = match Module::new(&engine, bytes) {
        Ok(module) => module,
        Err(error) => return (no_program(error), None),
    };
    if let Some(missing) = module.imports().find(|one| !link::is_offered(one.module(), one.name())) {
        let name = format!("{}.{}", missing.module(), missing.name());
        let why = "which WASI preview 1 as weft offers it has not";
        return (Outcome::NoProgram(format!("it imports {}, {why}", shortened(&name))), None);
    }
    let mut linker = Linker::new(&engine);
    if let Err(error) = link::define(&mut linker) {
        return (no_program(error), None);
    }
    let mut store = Store::new(&engine, world);
    store.limiter(|world| &mut world.bounds);
    if let Some(fuel) = fuel
        && let Err(error) = store.set_fuel(fuel)
    {
        return (no_program(error), None);
    }
    let outcome = match linker.instantiate_and_start(&mut store, &module) {
        Err(error) => ended(&error, true),
        Ok(instance) => match instance.get_typed_func::<(), ()>(&store, "_start") {
            Err(_) => Outcome::NoProgram("it exports no _start: a library, no program".to_owned()),
            Ok(start) => match start.call(&mut store, ()) {
                Ok(()) => Outcome::Exit(0),
                Err(error) => ended(&error, false),
            },
        },
    };
    (outcome, Some(store.into_data()))
}

/// A name from a module may be as long as the module.
fn shortened(name: &str) -> &str {
    const SHOWN: usize = 100;
    &name[..name.floor_char_boundary(SHOWN)]
}

/// What an error means. `beginning`: the program itself has not run yet.
fn ended(error: &Error, beginning: bool) -> Outcome {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Exit(code) => Outcome::Exit(*code),
            Stop::Signal(signal) => Outcome::Signal(*signal, String::new()),
        };
    }
    // As a native program would end.
    let signal = match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => {
            return Outcome::Signal(libc::SIGXCPU, "the fuel was used up".to_owned());
        }
        Some(TrapCode::StackOverflow) => {
            let why = format!("calls went deeper than {DEPTH}, or their values took more than {STACK} bytes");
            return Outcome::Signal(libc::SIGSEGV, why);
        }
        Some(TrapCode::UnreachableCodeReached) => libc::SIGABRT,
        Some(TrapCode::IntegerDivisionByZero | TrapCode::IntegerOverflow) => libc::SIGFPE,
        Some(TrapCode::MemoryOutOfBounds | TrapCode::TableOutOfBounds) if !beginning => libc::SIGSEGV,
        Some(_) if !beginning => libc::SIGILL,
        _ => return Outcome::NoProgram(format!("it cannot be started: {error}")),
    };
    Outcome::Signal(signal, format!("it trapped: {error}"))
}
