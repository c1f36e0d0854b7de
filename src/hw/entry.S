# Entry from Xen. In: rsi = start_info, rsp = end of a one-page boot stack. What else holds, and what does not, is at the
# head of entry.rs.

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
