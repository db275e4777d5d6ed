//! A seccomp filter like those around containers: no namespaces, no mounts, no clone3, no calls that read another process's memory.

use std::io;
use weft::sys::caps::no_new_privs;
use weft::sys::seccomp::{Instruction, install};

const REFUSED: &[i64] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
];

/// Puts this process under the filter.
pub fn enter() -> io::Result<()> {
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    const NEW_NAMESPACES: u32 = 0x7e02_0000;
    let op = |code, k| Instruction { code, yes: 0, no: 0, k };
    let skip_unless = |code, k| Instruction { code, yes: 0, no: 1, k };
    let mut program = vec![op(0x20, 0)];
    for call in REFUSED {
        program.extend([skip_unless(0x15, *call as u32), op(0x06, ERRNO | libc::EPERM as u32)]);
    }
    program.extend([skip_unless(0x15, libc::SYS_clone3 as u32), op(0x06, ERRNO | libc::ENOSYS as u32)]);
    // clone(2) with a flag for a namespace.
    program.push(Instruction { code: 0x15, yes: 0, no: 3, k: libc::SYS_clone as u32 });
    program.extend([op(0x20, 16), skip_unless(0x45, NEW_NAMESPACES), op(0x06, ERRNO | libc::EPERM as u32)]);
    program.push(op(0x06, ALLOW));
    no_new_privs()?;
    install(&program, false).map(drop)
}
