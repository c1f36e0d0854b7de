//! The export table: every name that a module may use, with its address.
//!
//! The names are also stored as text between `_export_names` and `_export_names_end`, where the host command reads
//! them to decide which modules of a distribution can be loaded. The functions are in `services`, in exports.S and in
//! the entry's assembly (`xen::entry`); docs/modules.md documents them.

use core::arch::global_asm;

use revector::module::load::Export;
use xen::addr::VirtAddr;

use super::services;

global_asm!(include_str!("exports.S"), printk = sym services::printk, smashed = sym services::smashed);

/// Declares the assembly functions, the table, and the text of the names.
macro_rules! exports {
    (services: $($service:ident)*; assembly: $($function:ident)*;) => {
        mod assembly {
            // Their types do not matter: only their addresses are taken.
            unsafe extern "C" {
                $(pub(super) fn $function();)*
            }
        }

        const NAMES: &[&str] = &[$(stringify!($service),)* $(stringify!($function)),*];
        const TEXT: &str = concat!($(stringify!($service), "\n",)* $(stringify!($function), "\n"),*);

        /// What modules may use.
        pub(crate) fn table() -> [Export; NAMES.len()] {
            let addresses = [
                $(services::$service as *const (),)*
                $(assembly::$function as *const ()),*
            ];
            core::array::from_fn(|n| Export { name: NAMES[n], address: VirtAddr::from_ptr(addresses[n]) })
        }
    };
}

exports! {
    services: revector_print revector_alloc revector_free revector_time revector_param revector_p2m revector_m2p
        revector_walk;
    assembly: memcpy memmove memset memcmp bcmp strlen strnlen strcmp
        _printk __stack_chk_fail __fentry__ __x86_return_thunk __x86_indirect_thunk_array
        __x86_indirect_thunk_rax __x86_indirect_thunk_rcx __x86_indirect_thunk_rdx __x86_indirect_thunk_rbx
        __x86_indirect_thunk_rbp __x86_indirect_thunk_rsi __x86_indirect_thunk_rdi __x86_indirect_thunk_r8
        __x86_indirect_thunk_r9 __x86_indirect_thunk_r10 __x86_indirect_thunk_r11 __x86_indirect_thunk_r12
        __x86_indirect_thunk_r13 __x86_indirect_thunk_r14 __x86_indirect_thunk_r15;
}

#[used]
#[unsafe(link_section = ".export_names")]
static EXPORT_NAMES: [u8; TEXT.len()] = {
    let mut names = [0; TEXT.len()];
    names.copy_from_slice(TEXT.as_bytes());
    names
};
