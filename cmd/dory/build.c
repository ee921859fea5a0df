#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "cmd/dory/build.h"
#include "cmd/dory/build_source.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/output_file.h"

static bool is_check(const struct build_flags *flags)
{
    return flags->check || (flags->call && strcmp(flags->call, "check") == 0);
}

static bool keeps_git(const struct build_flags *flags)
{
    const char *value = strv_env_get(&flags->build_args, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
    bool keep = false;
    return value && parse_bool(value, &keep) == 0 && keep;
}

/* The file's former contents would be taken for this build's. */
static int remove_iidfile(const struct build_flags *flags, struct error *err)
{
    if (flags->iidfile && unlink(flags->iidfile) < 0 && errno != ENOENT)
        return error_errno(err, errno, "removing image ID file %s", flags->iidfile);
    return 0;
}

static int write_iidfile(const struct build_flags *flags, const struct build_outcome *outcome, struct error *err)
{
    if (!flags->iidfile)
        return 0;
    if (!outcome->image_id && flags->outputs.count > 0) {
        fprintf(stderr, "WARNING: %s is not written: an output of files has no image\n", flags->iidfile);
        return 0;
    }
    if (!outcome->image_id)
        return error_set(err, ERROR_SYSTEM, 0, "cannot write %s because server did not provide an image ID",
                         flags->iidfile);
    return file_write_atomic(AT_FDCWD, flags->iidfile, outcome->image_id, strlen(outcome->image_id), 0666, err);
}

/* The members that buildx writes for an image. */
static int write_metadata(const struct build_flags *flags, const struct build_outcome *outcome, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    if (!flags->metadata_file)
        return 0;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    if (outcome->image_id) {
        json_member_string(&w, "containerimage.config.digest", outcome->image_id);
        json_member_string(&w, "containerimage.digest", outcome->image_id);
    }
    if (flags->tags.count > 0) {
        CLEANUP_FREE char *names = strv_join(&flags->tags, ",");
        json_member_string(&w, "image.name", names);
    }
    json_end_object(&w);
    strbuf_addc(&text, '\n');
    return file_write_atomic(AT_FDCWD, flags->metadata_file, text.data, text.size, 0644, err);
}

static int push_all(struct cli *cli, const struct build_flags *flags, bool push, struct error *err)
{
    int r = 0;
    if (build_is_of_several(flags))
        return 0; /* the daemon has done it, with their index */
    for (size_t i = 0; push && i < flags->tags.count && r == 0; i++)
        r = image_push_command(cli, flags->tags.items[i], flags->quiet, err);
    return r;
}

/* The image as an archive of its own. */
static int write_archive(struct cli *cli, const struct build_flags *flags, const struct build_output *output,
                         const struct build_outcome *outcome, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    strbuf_adds(&path, "/images/get");
    for (size_t i = 0; i < flags->tags.count; i++)
        client_query_add(&path, "names", flags->tags.items[i]);
    if (flags->tags.count == 0)
        client_query_add(&path, "names", outcome->image_id);
    int r = client_send(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &response, err);
    bool out = strcmp(output->destination, "-") == 0;
    return r < 0 ? r : output_copy(response, out ? NULL : output->destination, err);
}

/* --check: any warning is a failure. */
static int finish_check(const struct build_outcome *outcome)
{
    if (outcome->warnings == 0)
        printf("Check complete, no warnings found.\n");
    else
        printf("Check complete, %lld warning%s been found!\n", (long long)outcome->warnings,
               outcome->warnings == 1 ? " has" : "s have");
    return outcome->warnings > 0 ? EXIT_REPORTED : 0;
}

static int finish(struct cli *cli, const struct build_flags *flags, const struct build_output *output,
                  const struct build_outcome *outcome, struct error *err)
{
    if (is_check(flags))
        return finish_check(outcome);
    int r = write_iidfile(flags, outcome, err);
    if (r == 0 && output->kind == OUTPUT_ARCHIVE)
        r = write_archive(cli, flags, output, outcome, err);
    if (r == 0)
        r = write_metadata(flags, outcome, err);
    if (r == 0)
        r = push_all(cli, flags, flags->push || output->push, err);
    bool taken = output->destination && strcmp(output->destination, "-") == 0;
    if (r == 0 && flags->quiet && outcome->image_id && *outcome->image_id && !taken)
        printf("%s\n", outcome->image_id);
    return r;
}

/* Dory's daemons say so in every answer. */
static int is_dory(struct cli *cli, bool *ret, struct error *err)
{
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    int r = client_send(cli_client(cli), &(struct client_request){.path = "/_ping"}, &response, err);
    if (r == 0)
        r = client_read_all(response, 4096, &body, err);
    const char *server = r == 0 ? client_header(response, "Server") : NULL;
    *ret = server && strncmp(server, "Dory/", 5) == 0;
    return r;
}

/* The names of an output are names of the image as --tag gives them. */
static int read_output(struct build_flags *flags, struct build_output *ret, struct error *err)
{
    if (flags->outputs.count > 1)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "multiple outputs currently unsupported");
    int r = flags->outputs.count == 1 ? build_output_parse(flags->outputs.items[0], ret, err) : 0;
    for (size_t i = 0; r == 0 && i < ret->names.count; i++) {
        if (!strv_contains(&flags->tags, ret->names.items[i]))
            strv_add(&flags->tags, ret->names.items[i]);
    }
    if (r == 0 && (flags->push || ret->push) && flags->tags.count == 0)
        r = error_set(err, ERROR_INVALID, 0, "tag is needed when pushing to registry");
    return r;
}

/* Everything that can be refused before the daemon is asked. */
static int prepare(struct build_flags *flags, const char *context, struct build_source *source,
                   struct build_output *output, struct error *err)
{
    int r = build_flags_check(flags, err);
    if (r == 0)
        r = build_cache_from_read(&flags->cache_from, err);
    if (r == 0)
        r = read_output(flags, output, err);
    if (r == 0)
        r = build_source_open(context, flags->file, keeps_git(flags), source, err);
    if (r == 0 && build_is_of_several(flags) && output->kind == OUTPUT_ARCHIVE)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--platform %s: archives of several platforms are not supported",
                      flags->platform);
    return r < 0 ? r : remove_iidfile(flags, err);
}

static int run_build(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct build_flags *flags = data;
    CLEANUP_BUILD_SOURCE struct build_source source = {.fd = -1};
    CLEANUP(build_output_release) struct build_output output = {0};
    struct build_outcome outcome = {0};
    bool dory = false;
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    if (epoch && *epoch && !strv_env_get(&flags->build_args, "SOURCE_DATE_EPOCH"))
        strv_addf(&flags->build_args, "SOURCE_DATE_EPOCH=%s", epoch);
    int r = prepare(flags, arguments->items[0], &source, &output, err);
    if (r == 0)
        r = is_dory(cli, &dory, err);
    if (r < 0)
        return r;
    source.for_classic = !dory;
    r = dory ? build_session(cli, flags, &source, &output, &outcome, err)
             : build_classic(cli, flags, &source, &outcome, err);
    if (r == 0)
        r = finish(cli, flags, &output, &outcome, err);
    free(outcome.image_id);
    if (r < 0 && outcome.exit_code > 0) {
        fprintf(stderr, "%s\n", err->message);
        return outcome.exit_code;
    }
    return r;
}

const struct command command_build = {
    .name = "build",
    .place = PLACE_COMMON,
    .aliases = "image build,builder build",
    .usage = "[OPTIONS] PATH | URL | -",
    .summary = "Build an image from a Dockerfile",
    .options = build_options,
    .flags_size = sizeof(struct build_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_build,
    .defaults = build_flags_defaults,
};
