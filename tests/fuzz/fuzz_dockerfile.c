/* Any text as a Dockerfile: read, staged, checked, and every step evaluated, applied and shown. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/check.h"
#include "daemon/build/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_stage(const struct dockerfile *file, const struct stages *stages, const struct stage *stage,
                      const struct strmap *args)
{
    CLEANUP_BUILD_SCOPE struct build_scope scope = {0};
    CLEANUP_STRBUF struct strbuf history = STRBUF_INIT;
    struct container_config config = {0};
    bool cmd_set = false;
    build_scope_init(&scope, stages, args, file->escape);
    for (size_t i = 0; i < stage->instruction_count; i++) {
        struct error err = {0};
        struct build_step step = {0};
        if (build_step_evaluate(&stage->instructions[i], &scope, &config, &step, NULL, &err) < 0) {
            if (err.message[0] == '\0' || instruction_error(file, &stage->instructions[i], &err) >= 0)
                abort();
            continue;
        }
        if (build_config_apply(&step, &scope, &config, &cmd_set, &err) < 0)
            abort();
        build_step_history(&step, &scope, &config, "file:0", &history);
        build_step_release(&step);
    }
    /* what a base image hands on is read again */
    for (size_t i = 0; i < config.on_build.count; i++) {
        struct instruction trigger;
        if (instruction_parse(config.on_build.items[i], file->escape, &trigger, NULL) == 0)
            instruction_release(&trigger);
    }
    container_config_release(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    CLEANUP_STAGES struct stages stages = {0};
    CLEANUP_STRMAP struct strmap args = STRMAP_INIT;
    CLEANUP_CHECK_RESULT struct check_result result = {0};
    struct error err = {0};
    strmap_set(&args, "x", "$y ${z}");
    const struct stages_options options = {.build_args = &args};
    if (dockerfile_parse("Dockerfile", (const char *)data, size, &file, &err) < 0 ||
        stages_collect(&file, &options, &stages, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < stages.count; i++)
        run_stage(&file, &stages, &stages.items[i], &args);
    const struct check_options check = {.stages = &stages, .build_args = &args};
    (void)build_check(&file, &check, &result, NULL);
    return 0;
}
