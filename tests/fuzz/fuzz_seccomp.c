/*
 * linux.seccomp as it comes in config.json and as docker's profiles are written: parsed, compiled, and the program run
 * on a few system calls. Whatever the input, the result is an error or a program that ends with an answer and that the
 * kernel would take (forward jumps inside, loads within struct seccomp_data).
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_table.h"
#include "runtime/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the kernel's checker demands. */
static void check(const struct sock_filter *p, size_t count)
{
    if (count == 0 || count > BPF_MAXINSNS || BPF_CLASS(p[count - 1].code) != BPF_RET)
        abort();
    for (size_t i = 0; i < count; i++) {
        size_t left = count - i - 1;
        if (p[i].code == (BPF_LD | BPF_W | BPF_ABS) && (p[i].k % 4 != 0 || p[i].k >= sizeof(struct seccomp_data)))
            abort();
        if (p[i].code == (BPF_JMP | BPF_JA) && p[i].k >= left)
            abort();
        if (BPF_CLASS(p[i].code) == BPF_JMP && p[i].code != (BPF_JMP | BPF_JA) && (p[i].jt >= left || p[i].jf >= left))
            abort();
    }
}

static void compile(struct oci_seccomp *profile)
{
    struct error err = {0};
    void *bpf = NULL;
    size_t size = 0;
    unsigned flags;
    if (runtime_seccomp_compile(profile, &bpf, &size, &flags, &err) == 0)
        check(bpf, size / sizeof(struct sock_filter));
    else if (err.message[0] == '\0')
        abort();
    free(bpf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oci_seccomp profile = {0};
    struct error err = {0};
    if (json_table_decode_text(&oci_seccomp_table, (const char *)data, size, &profile, &err) == 0)
        compile(&profile);
    json_table_release(&oci_seccomp_table, &profile);
    if (runtime_seccomp_parse_docker((const char *)data, size, 0x5555, &profile, &err) == 0)
        compile(&profile);
    json_table_release(&oci_seccomp_table, &profile);
    return 0;
}
