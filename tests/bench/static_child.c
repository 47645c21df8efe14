// A child that costs nothing but its start: no libc, no loader. `static_child [FILE SLOT]` writes
// CLOCK_MONOTONIC in nanoseconds, as read by its first instructions, to the 8 bytes of that slot, and waits
// for a signal.
#include <asm/unistd.h>

typedef unsigned long word;

struct moment {
    long seconds;
    long nanoseconds;
};

#if defined(__x86_64__)
static long call(long number, word a, word b, word c, word d) {
    long result;
    register word fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n ud2");
#elif defined(__aarch64__)
static long call(long number, word a, word b, word c, word d) {
    register long nr __asm__("x8") = number;
    register word x0 __asm__("x0") = a;
    register word x1 __asm__("x1") = b;
    register word x2 __asm__("x2") = c;
    register word x3 __asm__("x3") = d;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(nr), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return (long)x0;
}
__asm__(".globl _start\n_start: mov x29, #0\n mov x0, sp\n bl begin\n brk #1");
#else
#error "static_child is written for x86-64 and arm64"
#endif

// `stack` as the kernel leaves it: argc, then argv.
__attribute__((used)) void begin(word* stack) {
    struct moment now;
    call(__NR_clock_gettime, 1, (word)&now, 0, 0);
    if (stack[0] >= 3) {
        const char* digit = (const char*)stack[3];
        word slot = 0;
        while (*digit != '\0') slot = slot * 10 + (word)(*digit++ - '0');
        const long at_cwd = -100;
        const word write_only = 1;
        const long file = call(__NR_openat, (word)at_cwd, stack[2], write_only, 0);
        word nanoseconds = (word)now.seconds * 1000000000u + (word)now.nanoseconds;
        call(__NR_pwrite64, (word)file, (word)&nanoseconds, sizeof nanoseconds, slot * sizeof nanoseconds);
        call(__NR_close, (word)file, 0, 0, 0);
    }
    for (;;) call(__NR_ppoll, 0, 0, 0, 0);
}
