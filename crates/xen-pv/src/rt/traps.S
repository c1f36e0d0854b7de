# Exception entries. Xen has pushed, from high to low: ss, rsp, rflags, cs, rip, [error code], r11, rcx. It restores
# neither of the last two, so they come off first. The saved cs has privilege level 0, which Xen uses for "guest
# kernel"; the processor runs us in ring 3, so a plain iretq needs it back. See create_bounce_frame in
# xen/arch/x86/x86_64/entry.S.

    .text
    .balign 16
trap_common:
    push    rax
    push    rcx
    push    rdx
    push    rbx
    push    rbp
    push    rsi
    push    rdi
    push    r8
    push    r9
    push    r10
    push    r11
    push    r12
    push    r13
    push    r14
    push    r15
    cld
    mov     rdi, rsp                    # argument of trap(): the frame
    mov     rbx, rsp                    # preserved by the call
    and     rsp, -16                    # alignment of compiled code
    call    {trap}
    mov     rsp, rbx
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     r11
    pop     r10
    pop     r9
    pop     r8
    pop     rdi
    pop     rsi
    pop     rbp
    pop     rbx
    pop     rdx
    pop     rcx
    pop     rax
    add     rsp, 16                     # vector and error code
    or      qword ptr [rsp + 8], 3      # cs: ring 3
    or      qword ptr [rsp + 32], 3     # ss: ring 3
    iretq

# One entry a vector; those with an error code from the processor have it on the stack already.
.macro trap_entry vector, has_code
    .balign 16
trap_\vector:
    pop     rcx
    pop     r11
    .if \has_code == 0
    push    0
    .endif
    push    \vector
    jmp     trap_common
    .pushsection .rodata.trap_entries, "a"
    .quad   trap_\vector
    .popsection
.endm

    .pushsection .rodata.trap_entries, "a"
    .balign 8
    .globl trap_entries
trap_entries:
    .popsection

    trap_entry 0, 0
    trap_entry 1, 0
    trap_entry 2, 0
    trap_entry 3, 0
    trap_entry 4, 0
    trap_entry 5, 0
    trap_entry 6, 0
    trap_entry 7, 0
    trap_entry 8, 1
    trap_entry 9, 0
    trap_entry 10, 1
    trap_entry 11, 1
    trap_entry 12, 1
    trap_entry 13, 1
    trap_entry 14, 1
    trap_entry 15, 0
    trap_entry 16, 0
    trap_entry 17, 1
    trap_entry 18, 0
    trap_entry 19, 0
