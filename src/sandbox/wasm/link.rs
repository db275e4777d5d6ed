//! The table of everything that a WebAssembly program can call, and the one function through which all of it goes.

use super::errno::Fail;
use super::memory::Memory;
use super::world::World;
use super::{files, http, misc, paths};
use wasmi::{Caller, Error, Extern, FuncType, Linker, Val, ValType};

/// The arguments of a call, as bits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Args(pub [u64; 9]);

impl Args {
    /// An argument of 32 bits.
    pub fn word(&self, at: usize) -> u32 {
        self.0.get(at).map_or(0, |value| *value as u32)
    }
}

/// What carries a call out.
pub type Call = fn(&mut World, &mut Memory<'_>, &Args) -> Result<(), Fail>;

/// Where the calls of WASI preview 1 are.
const WASI: &str = "wasi_snapshot_preview1";

/// Name, arguments (`i` of 32 bits, `l` of 64), and what does it. All give an error number but `proc_exit`, which never returns.
const CALLS: &[(&str, &str, Call)] = &[
    ("args_get", "ii", misc::args_get),
    ("args_sizes_get", "ii", misc::args_sizes_get),
    ("clock_res_get", "ii", misc::clock_res_get),
    ("clock_time_get", "ili", misc::clock_time_get),
    ("environ_get", "ii", misc::environ_get),
    ("environ_sizes_get", "ii", misc::environ_sizes_get),
    ("fd_advise", "illi", files::advise),
    ("fd_allocate", "ill", files::allocate),
    ("fd_close", "i", files::close),
    ("fd_datasync", "i", files::datasync),
    ("fd_fdstat_get", "ii", files::fdstat_get),
    ("fd_fdstat_set_flags", "ii", files::fdstat_set_flags),
    ("fd_fdstat_set_rights", "ill", files::fdstat_set_rights),
    ("fd_filestat_get", "ii", files::filestat_get),
    ("fd_filestat_set_size", "il", files::filestat_set_size),
    ("fd_filestat_set_times", "illi", files::filestat_set_times),
    ("fd_pread", "iiili", files::pread),
    ("fd_prestat_dir_name", "iii", files::prestat_name),
    ("fd_prestat_get", "ii", files::prestat_get),
    ("fd_pwrite", "iiili", files::pwrite),
    ("fd_read", "iiii", files::read),
    ("fd_readdir", "iiili", files::readdir),
    ("fd_renumber", "ii", files::renumber),
    ("fd_seek", "ilii", files::seek),
    ("fd_sync", "i", files::sync),
    ("fd_tell", "ii", files::tell),
    ("fd_write", "iiii", files::write),
    ("path_create_directory", "iii", paths::create_directory),
    ("path_filestat_get", "iiiii", paths::filestat_get),
    ("path_filestat_set_times", "iiiilli", paths::filestat_set_times),
    ("path_link", "iiiiiii", paths::link),
    ("path_open", "iiiiillii", paths::open),
    ("path_readlink", "iiiiii", paths::readlink),
    ("path_remove_directory", "iii", paths::remove_directory),
    ("path_rename", "iiiiii", paths::rename),
    ("path_symlink", "iiiii", paths::symlink),
    ("path_unlink_file", "iii", paths::unlink_file),
    ("poll_oneoff", "iiii", misc::poll_oneoff),
    ("proc_exit", "i", misc::proc_exit),
    ("proc_raise", "i", misc::proc_raise),
    ("random_get", "ii", misc::random_get),
    ("sched_yield", "", misc::sched_yield),
    ("sock_accept", "iii", misc::socket),
    ("sock_recv", "iiiiii", misc::socket),
    ("sock_send", "iiiii", misc::socket),
    ("sock_shutdown", "ii", misc::socket),
];

/// Where weft's own call is.
const OWN: &str = "weft";
const OWN_CALLS: &[(&str, &str, Call)] = &[("http_connect", "i", http::connect)];

fn all() -> impl Iterator<Item = (&'static str, &'static (&'static str, &'static str, Call))> {
    let wasi = CALLS.iter().map(|call| (WASI, call));
    wasi.chain(OWN_CALLS.iter().map(|call| (OWN, call)))
}

/// Whether a module may ask for it.
pub fn is_offered(module: &str, name: &str) -> bool {
    all().any(|(place, (offered, _, _))| place == module && *offered == name)
}

/// The names of WASI's calls, and the letters of their arguments.
pub fn calls() -> impl Iterator<Item = (&'static str, &'static str)> {
    CALLS.iter().map(|(name, signature, _)| (*name, *signature))
}

/// Offers all of it.
pub fn define(linker: &mut Linker<World>) -> Result<(), Error> {
    for (place, (name, signature, call)) in all() {
        let params = signature.bytes().map(|letter| if letter == b'l' { ValType::I64 } else { ValType::I32 });
        let ends = *name == "proc_exit";
        let results = if ends { &[][..] } else { &[ValType::I32][..] };
        let ty = FuncType::new(params.collect::<Vec<_>>(), results.iter().copied());
        let call = *call;
        let func = move |caller: Caller<'_, World>, args: &[Val], results: &mut [Val]| {
            let errno = carry_out(caller, call, args)?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno.into());
            }
            Ok(())
        };
        linker.func_new(place, name, ty, func)?;
    }
    Ok(())
}

fn carry_out(mut caller: Caller<'_, World>, call: Call, args: &[Val]) -> Result<u16, Error> {
    let mut bits = Args::default();
    for (bits, arg) in bits.0.iter_mut().zip(args) {
        *bits = match arg {
            Val::I32(value) => u64::from(*value as u32),
            Val::I64(value) => *value as u64,
            _ => 0,
        };
    }
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let done = match memory {
        Some(memory) => {
            let (bytes, world) = memory.data_and_store_mut(&mut caller);
            world.tell_limits();
            call(world, &mut Memory(bytes), &bits)
        }
        None => call(caller.data_mut(), &mut Memory(&mut []), &bits),
    };
    match done {
        Ok(()) => Ok(0),
        Err(Fail::Errno(errno)) => Ok(errno.0),
        Err(Fail::Stop(stop)) => Err(Error::host(stop)),
    }
}
