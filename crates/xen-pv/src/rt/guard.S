# The way into code that may trap, and out of it. None of this follows the C ABI on its own; the header says what does.

    .text

# u64 call_module(entry, &saved): calls entry as int (*)(void). The lower half of the result is what it returned; bit
# 32 is set if an exception ended it. The trap handler then resumes at module_trapped with rsp = saved.
    .balign 16
    .globl call_module
    .type call_module, @function
call_module:
    push    rbp                         # everything that a C function must leave as it was
    mov     rbp, rsp
    push    rbx
    push    r12
    push    r13
    push    r14
    push    r15
    sub     rsp, 24                     # control words; the stack is a multiple of 16 again
    stmxcsr [rsp]
    fnstcw  [rsp + 4]
    mov     [rsi], rsp                  # what module_trapped needs
    call    rdi
    mov     eax, eax                    # the upper half is not part of an int
call_module_end:
    cld                                 # the ABI of compiled code
    fldcw   [rsp + 4]
    ldmxcsr [rsp]
    add     rsp, 24
    pop     r15
    pop     r14
    pop     r13
    pop     r12
    pop     rbx
    pop     rbp
    ret
    .globl module_trapped
module_trapped:
    fninit                              # its x87 state, if it had any, is gone
    mov     eax, 1
    shl     rax, 32                     # bit 32: no result
    jmp     call_module_end
    .size call_module, . - call_module
