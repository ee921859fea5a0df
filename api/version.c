/* GET /version. In a file of this name because the build gives the commit only to those. */
#include "api/system.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

const char api_git_commit[] = DORY_GIT_COMMIT;

const char *system_architecture(const char *machine)
{
    static const struct {
        const char *machine, *name;
    } names[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"},   {"armv7l", "arm"},
                 {"i686", "386"},     {"ppc64le", "ppc64le"}, {"s390x", "s390x"}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i].machine, machine) == 0)
            return names[i].name;
    }
    return machine;
}

/* The compiler's "Nov  1 2026" and "08:00:00" (SOURCE_DATE_EPOCH rules them) in RFC 3339. */
static void build_time(char *buf, size_t size)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char date[] = __DATE__;
    const char *month = strstr(months, (char[]){date[0], date[1], date[2], '\0'});
    int number = month ? (int)(month - months) / 3 + 1 : 1;

    snprintf(buf, size, "%.4s-%02d-%c%cT" __TIME__ ".000000000+00:00", date + 7, number, date[4] == ' ' ? '0' : date[4],
             date[5]);
}

static void write_details(struct json_writer *w, const struct utsname *name, const char *built)
{
    json_key(w, "Details");
    json_begin_object(w);
    json_member_string(w, "ApiVersion", API_VERSION_MAX);
    json_member_string(w, "Arch", system_architecture(name->machine));
    json_member_string(w, "BuildTime", built);
    json_member_string(w, "Experimental", "false");
    json_member_string(w, "GitCommit", DORY_GIT_COMMIT);
    json_member_string(w, "GoVersion", "");
    json_member_string(w, "KernelVersion", name->release);
    json_member_string(w, "MinAPIVersion", API_VERSION_MIN);
    json_member_string(w, "Os", "linux");
    json_end_object(w);
}

int system_version(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    struct utsname name;
    char built[64];

    (void)engine;
    (void)err;
    uname(&name);
    build_time(built, sizeof(built));
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "Platform");
    json_begin_object(&w);
    json_member_string(&w, "Name", "Dory Engine");
    json_end_object(&w);
    json_key(&w, "Components");
    json_begin_array(&w);
    json_begin_object(&w);
    json_member_string(&w, "Name", "Engine");
    json_member_string(&w, "Version", DORY_VERSION);
    write_details(&w, &name, built);
    json_end_object(&w);
    json_end_array(&w);
    json_member_string(&w, "Version", DORY_VERSION);
    json_member_string(&w, "ApiVersion", API_VERSION_MAX);
    json_member_string(&w, "MinAPIVersion", API_VERSION_MIN);
    json_member_string(&w, "GitCommit", DORY_GIT_COMMIT);
    json_member_string(&w, "GoVersion", "");
    json_member_string(&w, "Os", "linux");
    json_member_string(&w, "Arch", system_architecture(name.machine));
    json_member_string(&w, "KernelVersion", name.release);
    json_member_string(&w, "BuildTime", built);
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}
