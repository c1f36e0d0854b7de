# What compiled code of a Linux kernel calls by convention instead of by name in its source. None of this follows the C
# ABI on its own; each header says what does.

    .text

# Called first thing by every function that can be traced: all registers hold that function's arguments.
    .balign 16
    .globl __fentry__
    .type __fentry__, @function
__fentry__:
    ret                                 # nobody traces
    .size __fentry__, . - __fentry__

# Jumped to in place of every return.
    .balign 16
    .globl __x86_return_thunk
    .type __x86_return_thunk, @function
__x86_return_thunk:
    ret                                 # to the caller of the function that jumped here
    .size __x86_return_thunk, . - __x86_return_thunk

# Called or jumped to in place of an indirect call or jump: the register in the name holds the target. 32 bytes each,
# in the order of the registers' numbers, because compiled code may index the array.
.macro indirect_thunk register
    .balign 32
    .globl __x86_indirect_thunk_\register
    .type __x86_indirect_thunk_\register, @function
__x86_indirect_thunk_\register:
    jmp     \register                   # the target returns to whoever called the thunk
    .size __x86_indirect_thunk_\register, . - __x86_indirect_thunk_\register
.endm

    .balign 32
    .globl __x86_indirect_thunk_array
__x86_indirect_thunk_array:
    indirect_thunk rax
    indirect_thunk rcx
    indirect_thunk rdx
    indirect_thunk rbx
    .balign 32
    ud2                                 # number 4 is rsp: nothing jumps there
    .balign 32
    indirect_thunk rbp
    indirect_thunk rsi
    indirect_thunk rdi
    indirect_thunk r8
    indirect_thunk r9
    indirect_thunk r10
    indirect_thunk r11
    indirect_thunk r12
    indirect_thunk r13
    indirect_thunk r14
    indirect_thunk r15

# int _printk(const char *format, ...): variadic, from code that keeps its stack aligned to 8 bytes only.
    .balign 16
    .globl _printk
    .type _printk, @function
_printk:
    push    rbp                         # a frame, so that traces go on
    mov     rbp, rsp
    sub     rsp, 40                     # room for the arguments that came in registers
    and     rsp, -16                    # alignment of compiled code
    mov     [rsp], rsi                  # in their order
    mov     [rsp + 8], rdx
    mov     [rsp + 16], rcx
    mov     [rsp + 24], r8
    mov     [rsp + 32], r9
    mov     rsi, rsp                    # second argument of printk(): the five in registers
    lea     rdx, [rbp + 16]             # third: those on the stack, after the return address
    call    {printk}                    # the first, the format, is still in rdi
    leave
    ret
    .size _printk, . - _printk

# void __stack_chk_fail(void): a function found its canary overwritten. Does not return.
    .balign 16
    .globl __stack_chk_fail
    .type __stack_chk_fail, @function
__stack_chk_fail:
    push    rbp                         # a frame, so that the trace names the function
    mov     rbp, rsp
    and     rsp, -16                    # alignment of compiled code
    call    {smashed}                   # says so
    ud2                                 # ends the call into the module
    .size __stack_chk_fail, . - __stack_chk_fail

# size_t strlen(const char *)
    .balign 16
    .globl strlen
    .type strlen, @function
strlen:
    mov     rax, -1                     # counts the bytes seen, less one
1:  inc     rax
    cmp     byte ptr [rdi + rax], 0     # the end?
    jne     1b
    ret
    .size strlen, . - strlen

# size_t strnlen(const char *, size_t)
    .balign 16
    .globl strnlen
    .type strnlen, @function
strnlen:
    xor     eax, eax                    # bytes seen
1:  cmp     rax, rsi                    # as many as may be?
    je      2f
    cmp     byte ptr [rdi + rax], 0     # the end?
    je      2f
    inc     rax
    jmp     1b
2:  ret
    .size strnlen, . - strnlen

# int strcmp(const char *, const char *)
    .balign 16
    .globl strcmp
    .type strcmp, @function
strcmp:
    xor     ecx, ecx                    # offset in both
1:  movzx   eax, byte ptr [rdi + rcx]
    movzx   edx, byte ptr [rsi + rcx]
    inc     rcx
    cmp     eax, edx                    # the first that differs decides
    jne     2f
    test    eax, eax                    # both end here?
    jne     1b
2:  sub     eax, edx
    ret
    .size strcmp, . - strcmp
