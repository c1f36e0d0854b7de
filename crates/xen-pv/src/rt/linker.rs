//! Addresses that the linker script defines.
//!
//! Symbols, not variables: only their addresses mean something. kernel.ld asserts what is assumed here.

use crate::addr::{VirtAddr, VirtRange};

macro_rules! symbols {
    ($($(#[$doc:meta])* $function:ident = $symbol:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $function() -> VirtAddr {
                unsafe extern "C" {
                    static $symbol: u8;
                }
                VirtAddr::from_ptr(&raw const $symbol)
            }
        )*
    };
}

symbols! {
    /// First byte of the image; its code starts here.
    image_start = _image_start;
    /// Page after the code.
    text_end = _text_end;
    /// Page after the constants.
    rodata_end = _rodata_end;
    /// Page after the image.
    image_end = _image_end;
    /// Page that Xen has filled with hypercall stubs.
    hypercall_page = hypercall_page;
    /// Page that shared_info is mapped over.
    shared_info_page = shared_info_page;
    /// Page below the stack.
    stack_guard = stack_guard;
    /// Lowest address of the stack.
    stack_bottom = boot_stack;
    /// Address after the stack.
    stack_top = boot_stack_top;
    /// First entry of the exception table.
    ex_table = _ex_table;
    /// End of the exception table.
    ex_table_end = _ex_table_end;
    /// Symbol table for traces.
    ksyms = _ksyms;
    /// End of the space reserved for it.
    ksyms_end = _ksyms_end;
    /// Where the trap handler resumes after a module's exception.
    module_trapped = module_trapped;
    /// Table of exception entry points.
    trap_entries = trap_entries;
}

/// The code.
pub fn text() -> VirtRange {
    VirtRange::between(image_start(), text_end())
}

/// The stack.
pub fn stack() -> VirtRange {
    VirtRange::between(stack_bottom(), stack_top())
}
