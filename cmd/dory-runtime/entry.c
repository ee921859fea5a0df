/*
 * Where the kernel enters the program (see the Makefile), before the C library is started: the commands that go into
 * containers are run from a read-only mount of the program (sealed.c tells why), and deciding that here saves a whole
 * start of the library, a third of a millisecond in a virtual machine, where its questions to the processor are slow.
 * What does not work out here sealed_exec() does again, with errors and with its other way.
 *
 * Nothing of the library may be used: it is not there yet. No function of it is called, not even memcpy(3), and no
 * thread local variable is touched, so not errno either.
 */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* clang-format off */
__asm__(".text\n"
        ".globl dory_entry\n"
        ".type dory_entry, @function\n"
        "dory_entry:\n"
        "    xorl %ebp, %ebp\n"
        "    movq %rsp, %r12\n" /* argc, argv and environment lie there */
        "    movq %rdx, %r13\n" /* what the loader wants done at exit */
        "    movq %rsp, %rdi\n"
        "    andq $-16, %rsp\n"
        "    call dory_before_libc\n"
        "    movq %r12, %rsp\n"
        "    movq %r13, %rdx\n"
        "    jmp _start\n"
        ".size dory_entry, .-dory_entry\n");
/* clang-format on */

void dory_before_libc(long *stack);

static long system_call(long number, long a, long b, long c, long d, long e)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

static bool is(const char *word, const char *text)
{
    while (*word != '\0' && *word == *text) {
        word++;
        text++;
    }
    return *word == *text;
}

/* A word like one of these may also be an option's value: then the program is mounted for nothing. */
static bool enters_a_container(char **argv)
{
    for (; *argv != NULL; argv++)
        if (is(*argv, "run") || is(*argv, "create") || is(*argv, "exec"))
            return true;
    return false;
}

void dory_before_libc(long *stack)
{
    static const char self[] = "/proc/self/exe";
    long argc = stack[0];
    char **argv = (char **)(stack + 1), **environment = argv + argc + 1;
    if (!enters_a_container(argv))
        return;
    struct statfs fs;
    if (system_call(SYS_statfs, (long)self, (long)&fs, 0, 0, 0) < 0 || (fs.f_flags & ST_RDONLY))
        return;
    long fd = system_call(SYS_open_tree, AT_FDCWD, (long)self, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
    if (fd < 0)
        return;
    struct mount_attr attr;
    attr.attr_set = MOUNT_ATTR_RDONLY;
    attr.attr_clr = attr.propagation = attr.userns_fd = 0;
    if (system_call(SYS_mount_setattr, fd, (long)"", AT_EMPTY_PATH, (long)&attr, sizeof(attr)) >= 0)
        system_call(SYS_execveat, fd, (long)"", (long)argv, (long)environment, AT_EMPTY_PATH);
    system_call(SYS_close, fd, 0, 0, 0, 0);
}

#endif
