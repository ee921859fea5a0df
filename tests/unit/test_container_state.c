#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "daemon/container_state.h"

/* Every cell of the table, written a second time: what is expected of each state (columns, in the order of the enum) on
 * each event. '-' is refused, '=' not modified (304), else the first letter(s) of the next state. */
#define C CONTAINER_CREATED
#define R CONTAINER_RUNNING
#define P CONTAINER_PAUSED
#define S CONTAINER_RESTARTING
#define M CONTAINER_REMOVING
#define X CONTAINER_EXITED
#define D CONTAINER_DEAD
#define NO (-1)
#define SAME (-2)

static const int expected[CONTAINER_EVENT_COUNT][CONTAINER_STATE_COUNT] = {
    /*                           created  running  paused  restarting  removing  exited  dead */
    [CONTAINER_START] = {C, SAME, NO, SAME, NO, X, NO},
    [CONTAINER_POLICY_START] = {NO, SAME, NO, S, NO, NO, NO},
    [CONTAINER_STARTED] = {R, NO, NO, R, NO, R, NO},
    [CONTAINER_START_FAILED] = {C, NO, NO, X, M, X, D},
    [CONTAINER_EXIT] = {NO, X, X, X, M, NO, NO},
    [CONTAINER_EXIT_RESTART] = {NO, S, S, S, M, NO, NO},
    [CONTAINER_STOP] = {SAME, R, P, X, SAME, SAME, SAME},
    [CONTAINER_KILL] = {NO, R, P, X, NO, NO, NO},
    [CONTAINER_PAUSE] = {NO, P, NO, NO, NO, NO, NO},
    [CONTAINER_UNPAUSE] = {NO, NO, R, NO, NO, NO, NO},
    [CONTAINER_REMOVE] = {M, NO, NO, NO, NO, M, M},
    [CONTAINER_REMOVE_FORCE] = {M, M, M, M, NO, M, M},
    [CONTAINER_REMOVE_FAILED] = {NO, NO, NO, NO, D, NO, NO},
    [CONTAINER_RENAME] = {C, R, P, S, NO, X, NO},
    [CONTAINER_NETWORK] = {C, R, P, S, NO, X, NO},
    [CONTAINER_ATTACH] = {C, R, NO, NO, NO, X, NO},
    [CONTAINER_RESIZE] = {NO, R, P, NO, NO, NO, NO},
    [CONTAINER_TOP] = {NO, R, P, NO, NO, NO, NO},
    [CONTAINER_EXEC] = {NO, R, NO, NO, NO, NO, NO},
    [CONTAINER_UPDATE] = {C, R, P, S, NO, X, NO},
    [CONTAINER_FILES] = {C, R, P, S, NO, X, NO},
};

static void check_cell(enum container_state from, enum container_event event)
{
    struct error err = {0};
    enum container_state next = CONTAINER_STATE_COUNT;
    int want = expected[event][from];
    int r = container_state_next(from, event, "NAME", &next, &err);
    if (want >= 0) {
        if (r != 0 || (int)next != want)
            fail_msg("%s, event %d: expected %s, got %s (%s)", container_state_name(from), event,
                     container_state_name((enum container_state)want), r == 0 ? container_state_name(next) : "refusal",
                     err.message);
        return;
    }
    if (r >= 0)
        fail_msg("%s, event %d: expected a refusal, got %s", container_state_name(from), event,
                 container_state_name(next));
    assert_int_equal(err.kind, want == SAME ? ERROR_NOT_MODIFIED : ERROR_CONFLICT);
    assert_true(err.message[0] != '\0');
    assert_int_equal(next, CONTAINER_STATE_COUNT); /* outputs stay untouched */
}

static void every_cell_moves_or_refuses_as_written_down(void **state)
{
    (void)state;
    for (int event = 0; event < CONTAINER_EVENT_COUNT; event++)
        for (int from = 0; from < CONTAINER_STATE_COUNT; from++)
            check_cell((enum container_state)from, (enum container_event)event);
}

static void refusals_speak_docker(void **state)
{
    (void)state;
    const struct {
        enum container_state from;
        enum container_event event;
        const char *message;
    } rows[] = {
        {CONTAINER_RUNNING, CONTAINER_REMOVE,
         "cannot remove container \"NAME\": container is running: stop the container before removing or force remove"},
        {CONTAINER_PAUSED, CONTAINER_REMOVE,
         "cannot remove container \"NAME\": container is paused and must be unpaused first"},
        {CONTAINER_REMOVING, CONTAINER_REMOVE, "removal of container NAME is already in progress"},
        {CONTAINER_EXITED, CONTAINER_KILL, "container NAME is not running"},
        {CONTAINER_RUNNING, CONTAINER_UNPAUSE, "Container NAME is not paused"},
        {CONTAINER_PAUSED, CONTAINER_PAUSE, "Container NAME is already paused"},
        {CONTAINER_PAUSED, CONTAINER_START, "cannot start a paused container, try unpause instead"},
        {CONTAINER_PAUSED, CONTAINER_ATTACH, "container NAME is paused, unpause the container before attach"},
        {CONTAINER_DEAD, CONTAINER_START, "container is marked for removal and cannot be started"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error err = {0};
        enum container_state next;
        assert_true(container_state_next(rows[i].from, rows[i].event, "NAME", &next, &err) < 0);
        assert_string_equal(err.message, rows[i].message);
    }
}

static void names_go_both_ways(void **state)
{
    (void)state;
    enum container_state parsed;
    for (int i = 0; i < CONTAINER_STATE_COUNT; i++) {
        assert_int_equal(container_state_parse(container_state_name((enum container_state)i), &parsed), 0);
        assert_int_equal(parsed, i);
    }
    assert_true(container_state_parse("Running", &parsed) < 0);
    assert_true(container_state_parse("", &parsed) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_moves_or_refuses_as_written_down),
        cmocka_unit_test(refusals_speak_docker),
        cmocka_unit_test(names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
