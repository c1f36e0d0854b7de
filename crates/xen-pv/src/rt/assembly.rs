//! The image's own assembly: the entry from Xen, and the memory functions that compiled code calls.
//!
//! It is text in macros and not code of this library: `_start`, `memcpy` and the like must be in the image exactly
//! once, and in no host program, which has its own from start files and C library. [`entry!`](crate::entry) adds them.
//! Sources: xen/include/public/arch-x86/xen-x86_64.h.

/// The entry from Xen, and the pages that it needs.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry_assembly {
    () => {
        r#"
# Entry from Xen. In: rsi = start_info, rsp = end of the boot stack. What else holds, and what does not, is at the
# head of start.rs.

    .section .text.hypercall_page, "ax", @progbits
    .balign 4096
    .globl hypercall_page
    .type hypercall_page, @object
hypercall_page:                         # 128 stubs of 32 bytes, written by Xen before _start runs
    .fill 4096, 1, 0xcc
    .size hypercall_page, . - hypercall_page

    .section .text.entry, "ax", @progbits
    .balign 16
    .globl _start
    .type _start, @function
_start:
    cld                                 # the ABI of compiled code
    mov     rdi, rsi                    # first argument of entry(): start_info
    mov     rsi, rsp                    # second: where the builder's stack ends
    lea     rsp, [rip + boot_stack_top] # which is one page, and with GRUB perhaps not mapped
    xor     ebp, ebp                    # end of the frame-pointer chain
    call    {entry}
    ud2                                 # entry() does not return
    .size _start, . - _start

    .section .stack, "aw", @nobits
    .balign 4096
    .globl stack_guard
stack_guard:                            # mapped no more from stage 4 on
    .skip 4096
    .globl boot_stack
    .globl boot_stack_top
boot_stack:
    .skip 0x10000
boot_stack_top:

    .section .bss.page, "aw", @nobits
    .balign 4096
    .globl shared_info_page
shared_info_page:                       # Xen's shared_info is mapped in place of this page
    .skip 4096
"#
    };
}

/// The memory functions.
#[doc(hidden)]
#[macro_export]
macro_rules! __memory_assembly {
    () => {
        r#"
# memcpy and its kin: compiled code calls them, and the prebuilt core library of this target does not bring them.
# String instructions by words: byte-wise ones are 40 times slower under emulation.

    .text
    .balign 16
    .globl memcpy
    .type memcpy, @function
memcpy:
    mov     rax, rdi
    mov     rcx, rdx
    shr     rcx, 3
    rep     movsq
    mov     ecx, edx
    and     ecx, 7
    rep     movsb
    ret
    .size memcpy, . - memcpy

    .balign 16
    .globl memmove
    .type memmove, @function
memmove:
    mov     rax, rdi
    sub     rax, rsi                    # unsigned: below rdx only if the target starts inside the source
    cmp     rax, rdx
    jae     memcpy
    mov     rax, rdi
    lea     rsi, [rsi + rdx - 1]
    lea     rdi, [rdi + rdx - 1]
    mov     rcx, rdx
    std
    rep     movsb
    cld
    ret
    .size memmove, . - memmove

    .balign 16
    .globl memset
    .type memset, @function
memset:
    mov     r8, rdi
    movzx   eax, sil
    mov     r9, 0x0101010101010101
    imul    rax, r9
    mov     rcx, rdx
    shr     rcx, 3
    rep     stosq
    mov     ecx, edx
    and     ecx, 7
    rep     stosb
    mov     rax, r8
    ret
    .size memset, . - memset

    .balign 16
    .globl memcmp
    .globl bcmp
    .type memcmp, @function
memcmp:
bcmp:
    xor     ecx, ecx
1:  cmp     rcx, rdx
    je      2f
    movzx   eax, byte ptr [rdi + rcx]
    movzx   r8d, byte ptr [rsi + rcx]
    inc     rcx
    sub     eax, r8d
    je      1b
    ret
2:  xor     eax, eax
    ret
    .size memcmp, . - memcmp
"#
    };
}
