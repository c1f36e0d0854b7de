# Entry from Xen. On entry: %rsi = start_info, %rsp = end of a one-page boot stack, flat 64-bit segments, bss zeroed,
# SSE usable, events masked. See xen/include/public/arch-x86/xen-x86_64.h.

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
    lea     rsp, [rip + boot_stack_top] # the builder's stack is one page: too small
    xor     ebp, ebp                    # end of the frame-pointer chain
    mov     rdi, rsi                    # argument of entry(): start_info
    call    {entry}
    ud2                                 # entry() does not return
    .size _start, . - _start

    .section .bss.page, "aw", @nobits
    .balign 4096
    .globl boot_stack
    .globl boot_stack_top
boot_stack:
    .skip 0x10000
boot_stack_top:

    .globl shared_info_page
shared_info_page:                       # Xen's shared_info is mapped in place of this page
    .skip 4096
