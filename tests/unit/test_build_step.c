/* Instructions evaluated into steps, their effect on the config, and how docker's history shows them. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/chmod_mode.h"
#include "daemon/build/step.h"

struct world {
    struct dockerfile file;
    struct stages stages;
    struct strmap build_args;
    struct build_scope scope;
    struct container_config config;
    bool cmd_set;
    struct strbuf history; /* of the steps so far, one a line */
    struct build_step last;
};

static void world_release(struct world *w)
{
    build_step_release(&w->last);
    build_scope_release(&w->scope);
    container_config_release(&w->config);
    stages_release(&w->stages);
    dockerfile_release(&w->file);
    strmap_release(&w->build_args);
    strbuf_release(&w->history);
}
#define CLEANUP_WORLD CLEANUP(world_release)

/* Runs through the last stage; the config starts with Env a=b and path=/p. */
static int run(struct world *w, const char *text, struct error *err)
{
    strmap_set(&w->build_args, "given", "g");
    strmap_set(&w->build_args, "https_proxy", "secret");
    const struct stages_options options = {.build_args = &w->build_args};
    int r = dockerfile_parse("Dockerfile", text, strlen(text), &w->file, err);
    if (r == 0)
        r = stages_collect(&w->file, &options, &w->stages, err);
    if (r < 0)
        return r;
    strv_add(&w->config.env, "a=b");
    strv_add(&w->config.env, "path=/p");
    build_scope_init(&w->scope, &w->stages, &w->build_args, w->file.escape);
    const struct stage *stage = &w->stages.items[w->stages.target];
    for (size_t i = 0; i < stage->instruction_count; i++) {
        build_step_release(&w->last);
        r = build_step_evaluate(&stage->instructions[i], &w->scope, &w->config, &w->last, NULL, err);
        if (r < 0)
            return r;
        strbuf_adds(&w->history, w->history.size > 0 ? "\n" : "");
        r = build_config_apply(&w->last, &w->scope, &w->config, &w->cmd_set, err);
        if (r < 0)
            return r;
        build_step_history(&w->last, &w->scope, &w->config, "file:0123", &w->history);
    }
    return 0;
}

#define NOP "/bin/sh -c #(nop) "

static void history_reads_as_dockers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *history;
    } rows[] = {
        {"ENV x=$a \"y z\"='$a'", NOP " ENV x=b y z=$a"},
        {"ENV x one  two", NOP " ENV x=one  two"},
        {"LABEL l=${a}c m=", NOP " LABEL l=bc m="},
        {"CMD echo $a", NOP " CMD [\"/bin/sh\" \"-c\" \"echo $a\"]"},
        {"CMD [\"echo\", \"a b\"]", NOP " CMD [\"echo\" \"a b\"]"},
        {"ENTRYPOINT [\"/x\"]", NOP " ENTRYPOINT [\"/x\"]"},
        {"EXPOSE 81 80/UDP", NOP " EXPOSE 80/UDP 81"},
        {"VOLUME /a $path/v", NOP " VOLUME [/a /p/v]"},
        {"USER u:${a}", NOP " USER u:b"},
        {"WORKDIR x\nWORKDIR $a/../y\nWORKDIR /z//w", NOP "WORKDIR /x\n" NOP "WORKDIR /x/y\n" NOP "WORKDIR /z//w"},
        {"STOPSIGNAL SIGTERM", NOP " STOPSIGNAL SIGTERM"},
        {"SHELL [\"/bin/bash\", \"-c\"]\nRUN a\nUSER x",
         "/bin/bash -c #(nop)  SHELL [/bin/bash -c]\n|0 /bin/bash -c a\n/bin/bash -c #(nop)  USER x"},
        {"ONBUILD RUN $a", NOP " ONBUILD RUN $a"},
        {"MAINTAINER me <m@e>", NOP " MAINTAINER me <m@e>"},
        {"ARG x=$a given none", NOP " ARG x=b given none"},
        {"ARG x=1\nARG given\nRUN echo $x", NOP " ARG x=1\n" NOP " ARG given\n|2 given=g x=1 /bin/sh -c echo $x"},
        {"ARG https_proxy\nRUN a", NOP " ARG https_proxy\n|1 https_proxy=secret /bin/sh -c a"},
        {"RUN [\"a\", \"$b\"]", "|0 a $b"},
        {"RUN <<EOF\na\nb\nEOF", "|0 /bin/sh -c a\nb\n"},
        {"RUN cat <<EOF\na\nEOF", "|0 /bin/sh -c cat <<EOF\na\nEOF"},
        {"COPY x y/", NOP "COPY file:0123 in y/ "},
        {"WORKDIR /w\nADD x .", NOP "WORKDIR /w\n" NOP "ADD file:0123 in . "},
        {"COPY --chown=$a x /y", NOP "COPY --chown=bfile:0123 in /y "},
        {"HEALTHCHECK --interval=5s --retries=3 CMD true",
         NOP " HEALTHCHECK &{[\"CMD-SHELL\" \"true\"] \"5s\" \"0s\" \"0s\" '\\x03'}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_WORLD struct world w = {.cmd_set = false};
        CLEANUP_FREE char *text = xasprintf("FROM scratch\n%s", rows[i].text);
        struct error err = {0};
        if (run(&w, text, &err) < 0)
            fail_msg("row %zu: %s: %s", i, rows[i].text, err.message);
        if (strcmp(strbuf_str(&w.history), rows[i].history) != 0)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_string_equal(strbuf_str(&w.history), rows[i].history);
    }
}

static void errors_are_dockers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"ENV =x", "ENV names can not be blank"},
        {"LABEL", "LABEL requires at least one argument"},
        {"ARG", "ARG requires at least one argument"},
        {"RUN", "RUN requires at least one argument"},
        {"EXPOSE x", "invalid containerPort: x"},
        {"EXPOSE 80/xyz", "invalid proto: xyz"},
        {"EXPOSE 90-80", "invalid containerPort: 90-80"},
        {"VOLUME [\"\"]", "VOLUME specified can not be an empty string"},
        {"SHELL /bin/sh", "SHELL requires the arguments to be in JSON form"},
        {"STOPSIGNAL NOPE", "Invalid signal: NOPE"},
        {"WORKDIR $none", "cannot normalize nothing"},
        {"USER", "USER requires exactly one argument"},
        {"HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"},
        {"HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"},
        {"HEALTHCHECK true", "Unknown type \"true\" in HEALTHCHECK (try CMD)"},
        {"HEALTHCHECK --interval=1us CMD x", "Interval \"interval\" cannot be less than 1ms"},
        {"HEALTHCHECK --timeout=x CMD x", "time: invalid duration \"x\""},
        {"HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"},
        {"COPY x",
         "COPY requires at least two arguments, but only one was provided. Destination could not be determined"},
        {"COPY a b c",
         "When using COPY with more than one source file, the destination must be a directory and end with a /"},
        {"COPY a <<E\nE", "COPY cannot accept a heredoc as a destination"},
        {"COPY <<../x /d\n../x", "heredoc name \"../x\" is no name of a file"},
        {"COPY --chmod=9 a b",
         "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777, or symbolic "
         "as u=rwX,go=rX"},
        {"ADD --checksum=sha256:0 a b", "checksum requires HTTP(S) or Git sources"},
        {"ADD --checksum=sha256:0 http://a/b /c", "invalid checksum \"sha256:0\""},
        {"COPY --exclude=[ a b", "--exclude=[: syntax error in pattern: \"[\""},
        {"RUN --network=hots a", "network mode \"hots\" is not valid (did you mean host?)"},
        {"RUN --mount=type=cahce,target=/x a", "unsupported mount type \"cahce\" (did you mean cache?)"},
        {"RUN --mount=type=bind,tagret=/x a", "unexpected key 'tagret' in 'tagret=/x' (did you mean target?)"},
        {"RUN --mount=type=bind a", "bind mount: target is required"},
        {"RUN --mount=type=tmpfs,target=/ a", "invalid mount target \"/\""},
        {"RUN --mount=type=bind,target=/x,size=1 a", "unexpected key 'size' for mount type 'bind'"},
        {"RUN --mount=type=secret a", "invalid secret mount. one of source, target required"},
        {"RUN --mount=type=cache,target=/x,mode=99 a", "invalid value 99 for mode"},
        {"RUN --mount=type=cache,target=/x,sharing=all a", "unsupported sharing value \"all\""},
        {"RUN --mount=target a", "invalid field 'target' must be a key=value pair"},
        {"RUN --mount=type=bind,target=/x,from=$a a",
         "'from' doesn't support variable expansion, define alias stage instead"},
        {"ENV x=${none:?needed}", "failed to process \"${none:?needed}\": none: needed"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_WORLD struct world w = {.cmd_set = false};
        CLEANUP_FREE char *text = xasprintf("FROM scratch\n%s", rows[i].text);
        struct error err = {0};
        if (run(&w, text, &err) == 0)
            fail_msg("row %zu is accepted: %s", i, rows[i].text);
        if (strstr(err.message, rows[i].message) == NULL)
            fail_msg("row %zu: %s: %s", i, rows[i].text, err.message);
    }
}

static void the_config_has_what_the_steps_said(void **state)
{
    (void)state;
    CLEANUP_WORLD struct world w = {.cmd_set = false};
    CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
    struct json_writer writer;
    struct error err = {0};
    strv_add(&w.config.cmd, "of-the-base");
    w.config.cmd_set = true;
    int r = run(&w,
                "FROM scratch\nENV a=c d=$a\nEXPOSE 80-82 80\nVOLUME [\"/v\"]\nENTRYPOINT [\"/e\"]\n"
                "HEALTHCHECK --start-interval=2s CMD [\"t\"]\nWORKDIR /a\nWORKDIR b\nUSER 1\nLABEL z=1 z=2\n"
                "ONBUILD COPY <<E /x\nin\nE\nSTOPSIGNAL 9",
                &err);
    assert_string_equal(err.message, "");
    assert_int_equal(r, 0);
    json_writer_init(&writer, &json);
    json_table_encode(&container_config_table, &w.config, &writer);
    static const char *const parts[] = {
        "\"Env\":[\"a=c\",\"path=/p\",\"d=b\"]",
        "\"Cmd\":null",
        "\"ExposedPorts\":{\"80/tcp\":{},\"81/tcp\":{},\"82/tcp\":{}}",
        "\"Volumes\":{\"/v\":{}}",
        "\"Entrypoint\":[\"/e\"]",
        "\"Healthcheck\":{\"Test\":[\"CMD\",\"t\"],\"StartInterval\":2000000000}",
        "\"WorkingDir\":\"/a/b\"",
        "\"User\":\"1\"",
        "\"Labels\":{\"z\":\"2\"}",
        "\"OnBuild\":[\"COPY <<E /x\\nin\\nE\"]",
        "\"StopSignal\":\"9\"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (strstr(strbuf_str(&json), parts[i]) == NULL)
            fail_msg("%s is not in %s", parts[i], strbuf_str(&json));
}

static void a_stage_sees_env_before_args_and_proxies_last(void **state)
{
    (void)state;
    CLEANUP_WORLD struct world w = {.cmd_set = false};
    CLEANUP_STRV struct strv environment = STRV_INIT, hidden = STRV_INIT;
    struct error err = {0};
    assert_int_equal(
        run(&w, "ARG global=1\nFROM scratch\nARG a=arg x=2\nARG global\nARG given=default\nARG none", &err), 0);
    build_scope_environment(&w.scope, &w.config, &environment, &hidden);
    CLEANUP_FREE char *all = strv_join(&environment, " "), *secret = strv_join(&hidden, " ");
    assert_string_equal(all, "a=b path=/p x=2 global=1 given=g https_proxy=secret");
    assert_string_equal(secret, "https_proxy=secret");
    assert_null(build_scope_get(&w.scope, &w.config, "none"));
    assert_string_equal(build_scope_get(&w.scope, &w.config, "a"), "b");
}

static void runs_have_their_command_mounts_and_options(void **state)
{
    (void)state;
    CLEANUP_WORLD struct world w = {.cmd_set = false};
    struct error err = {0};
    int r =
        run(&w,
            "FROM scratch AS s\nFROM scratch\nWORKDIR /w\n"
            "RUN --network=none --mount=type=bind,from=s,source=x/../y,target=rel,rw "
            "--mount=type=cache,target=$path/c,sharing=LOCKED,mode=0700,uid=5 --mount=type=secret,id=tok,env=TOK "
            "--mount=type=secret,target=/run/k,required --mount=type=ssh --mount=type=tmpfs,target=/t,size=1m <<EOF\n"
            "#!/usr/bin/python3\nprint(1)\nEOF",
            &err);
    assert_string_equal(err.message, "");
    assert_int_equal(r, 0);
    const struct step_run *run_step = &w.last.run;
    assert_string_equal(run_step->argv.items[0], "/dev/pipes/EOF");
    assert_string_equal(run_step->script, "#!/usr/bin/python3\nprint(1)\n");
    assert_int_equal(run_step->network, RUN_NETWORK_NONE);
    assert_int_equal(run_step->mount_count, 6);
    const struct run_mount *m = run_step->mounts;
    assert_string_equal(m[0].target, "/w/rel");
    assert_string_equal(m[0].source, "/y");
    assert_string_equal(m[0].from, "s");
    assert_true(m[0].writable);
    assert_string_equal(m[1].target, "/p/c");
    assert_string_equal(m[1].id, "/p/c");
    assert_int_equal(m[1].sharing, CACHE_LOCKED);
    assert_int_equal(m[1].mode, 0700);
    assert_int_equal(m[1].uid, 5);
    assert_string_equal(m[2].id, "tok");
    assert_string_equal(m[2].env, "TOK");
    assert_null(m[2].target);
    assert_string_equal(m[3].id, "k");
    assert_true(m[3].required && m[3].mode == 0400);
    assert_string_equal(m[4].id, "default");
    assert_int_equal(m[5].size, 1 << 20);
}

static void copies_have_their_sources_and_flags(void **state)
{
    (void)state;
    CLEANUP_WORLD struct world w = {.cmd_set = false};
    struct error err = {0};
    int r = run(&w,
                "FROM scratch\nWORKDIR /w\nCOPY --chown=$a:1 --chmod=u=rwX,go= --link --parents --exclude=*.o "
                "--exclude=$a x/./y* \"$a\" <<F <<'G' d/\n$a \\$a it's\nF\n$a\nG",
                &err);
    assert_string_equal(err.message, "");
    assert_int_equal(r, 0);
    const struct step_copy *copy = &w.last.copy;
    CLEANUP_FREE char *sources = strv_join(&copy->sources, "|"), *excludes = strv_join(&copy->excludes, "|");
    assert_string_equal(sources, "x/./y*|b");
    assert_string_equal(excludes, "*.o|b");
    assert_string_equal(copy->destination, "d/");
    assert_string_equal(copy->absolute, "/w/d/");
    assert_string_equal(copy->chown, "b:1");
    assert_string_equal(copy->chmod, "u=rwX,go=");
    assert_true(copy->link && copy->parents && !copy->add);
    assert_int_equal(copy->file_count, 2);
    assert_string_equal(copy->files[0].content, "b $a it's\n");
    assert_string_equal(copy->files[1].name, "G");
    assert_string_equal(copy->files[1].content, "$a\n");
    assert_int_equal(copy_source_pivot("x/./y*"), 4);
    assert_int_equal(copy_source_pivot("./y"), 2);
    assert_int_equal(copy_source_pivot("x/y"), 0);
    assert_true(copy_source_is_git("https://h/r.git#v1:sub") && copy_source_is_git("git@h:r"));
    assert_false(copy_source_is_git("https://h/r.git/x") || copy_source_is_url("x/http://"));
}

static void modes_are_changed_as_by_chmod(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mode_t before, after;
    } rows[] = {
        {"755", S_IFREG | 0600, 0755},         {"4711", S_IFREG | 0600, 04711},
        {"u=rwX,go=rX", S_IFDIR | 0700, 0755}, {"u=rwX,go=rX", S_IFREG | 0600, 0644},
        {"a+X", S_IFREG | 0644, 0644},         {"a+X", S_IFREG | 0744, 0755},
        {"+x", S_IFREG | 0644, 0755},          {"go-rwx", S_IFREG | 0755, 0700},
        {"g=u", S_IFREG | 0640, 0660},         {"u+s,+t", S_IFREG | 0755, 05755},
        {"u=rw,g=r,o=", S_IFREG | 0777, 0640}, {"a=r+w", S_IFREG | 0111, 0666},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct chmod_mode mode;
        assert_int_equal(chmod_mode_parse(rows[i].text, &mode, NULL), 0);
        if (chmod_mode_apply(&mode, rows[i].before) != rows[i].after)
            fail_msg("%s of %o: %o", rows[i].text, rows[i].before, chmod_mode_apply(&mode, rows[i].before));
    }
    static const char *const bad[] = {"", "8", "10000", "u", "u=q", "z=r", "u=r,", "77777777777777777777"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct chmod_mode mode;
        assert_int_equal(chmod_mode_parse(bad[i], &mode, NULL), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_reads_as_dockers),
        cmocka_unit_test(errors_are_dockers),
        cmocka_unit_test(the_config_has_what_the_steps_said),
        cmocka_unit_test(a_stage_sees_env_before_args_and_proxies_last),
        cmocka_unit_test(runs_have_their_command_mounts_and_options),
        cmocka_unit_test(copies_have_their_sources_and_flags),
        cmocka_unit_test(modes_are_changed_as_by_chmod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
