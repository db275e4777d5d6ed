//! Numbers of system calls: those of libc, and those it does not know for every processor and C library.

pub use libc::*;

/// Missing for musl on riscv64. One number on all of Linux since 5.1, but for the first two, which are of riscv alone.
#[cfg(target_arch = "riscv64")]
mod late {
    #![allow(non_upper_case_globals)]
    use libc::c_long;
    pub const SYS_riscv_hwprobe: c_long = 258;
    pub const SYS_riscv_flush_icache: c_long = 259;
    pub const SYS_quotactl_fd: c_long = 443;
    pub const SYS_memfd_secret: c_long = 447;
    pub const SYS_process_mrelease: c_long = 448;
    pub const SYS_set_mempolicy_home_node: c_long = 450;
    pub const SYS_mseal: c_long = 462;
}
#[cfg(target_arch = "riscv64")]
pub use late::*;

/// Missing for musl on arm64. One number on all of Linux (6.6): calls are numbered alike since 5.1.
#[allow(non_upper_case_globals)]
pub const SYS_fchmodat2: c_long = 452;
