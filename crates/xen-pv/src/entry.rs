//! [`entry!`](crate::entry): makes a function the kernel's `main`.

/// Makes `main` what the image runs: `fn main(boot: Boot<'_, impl Hypervisor>) -> T`, where `T` is a
/// [`Verdict`](crate::verdict::Verdict) or a `Result<(), E>` whose error can be printed.
///
/// Adds to the image what must be there exactly once: the entry code with its stack, the page of hypercall stubs, the
/// memory functions, the heap, the panic handler, and the ELF notes that the domain builder reads. In a test it
/// expands to nothing, so that the same `main` can be called with a model's boot.
///
/// ```text
/// entry!(main, Notes::new("hello"));
/// ```
///
/// Without notes the image must bring its own (`.note.Xen`, assembly).
#[macro_export]
macro_rules! entry {
    ($main:expr, $notes:expr) => {
        $crate::entry!($main);

        #[cfg(test)]
        const _: $crate::Notes = $notes;

        #[cfg(not(test))]
        const _: () = {
            const NOTES: $crate::Notes = $notes;
            #[used]
            #[unsafe(link_section = ".note.Xen")]
            static BYTES: $crate::notes::Aligned<{ NOTES.len() }> = $crate::notes::Aligned(NOTES.bytes());
        };
    };
    ($main:expr) => {
        #[cfg(not(test))]
        ::core::arch::global_asm!($crate::__entry_assembly!(), entry = sym __xen_start);
        #[cfg(not(test))]
        ::core::arch::global_asm!($crate::__memory_assembly!());

        #[cfg(not(test))]
        extern "C" fn __xen_start(rsi: u64, rsp: u64) -> ! {
            $crate::rt::start($crate::rt::Entered { rsi, rsp }, $main)
        }

        #[cfg(not(test))]
        const _: () = {
            #[global_allocator]
            static ALLOCATOR: $crate::rt::Allocator = $crate::rt::Allocator;

            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::rt::panic(info)
            }

            /// Referenced by the prebuilt libraries, which are compiled to unwind; nothing here ever does.
            #[unsafe(no_mangle)]
            extern "C" fn rust_eh_personality() {}

            /// As above; reached only if something unwinds after all.
            #[unsafe(no_mangle)]
            extern "C" fn _Unwind_Resume() -> ! {
                $crate::rt::unwound()
            }
        };
    };
}
