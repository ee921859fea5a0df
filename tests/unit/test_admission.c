#include "tests/unit/base_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "daemon/admission.h"

/* Somebody who goes in, says that it is in, and comes out. */
struct visitor {
    struct admission *admission;
    enum admission_kind kind;
    atomic_int *order; /* counts those who went in */
    atomic_int place;  /* 0: not in yet */
    pthread_t thread;
};

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void *visit(void *data)
{
    struct visitor *v = data;
    uint64_t pass = admission_enter(v->admission, v->kind);
    atomic_store(&v->place, atomic_fetch_add(v->order, 1) + 1);
    admission_leave(v->admission, pass);
    return NULL;
}

static void begin_visit(struct visitor *v)
{
    assert_int_equal(pthread_create(&v->thread, NULL, visit, v), 0);
}

static void starts_go_before_removals_and_in_their_order(void **state)
{
    (void)state;
    struct admission *a = admission_new(&(struct admission_options){.limit = 1, .patience_ms = 600000});
    atomic_int order = 0;
    struct visitor all[] = {
        {.admission = a, .kind = ADMISSION_REMOVAL, .order = &order},
        {.admission = a, .kind = ADMISSION_START, .order = &order},
        {.admission = a, .kind = ADMISSION_START, .order = &order},
    };
    uint64_t pass = admission_enter(a, ADMISSION_START);
    for (size_t i = 0; i < 3; i++) {
        begin_visit(&all[i]);
        while (admission_waiting(a) <= i)
            nap();
    }
    admission_leave(a, pass);
    for (size_t i = 0; i < 3; i++)
        pthread_join(all[i].thread, NULL);
    assert_int_equal(all[1].place, 1);
    assert_int_equal(all[2].place, 2);
    assert_int_equal(all[0].place, 3);
    admission_free(a);
}

static void as_many_as_the_limit_go_in_without_waiting(void **state)
{
    (void)state;
    struct admission *a = admission_new(&(struct admission_options){.limit = 3, .patience_ms = 600000});
    uint64_t passes[3];
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 3; i++)
            passes[i] = admission_enter(a, i == 0 ? ADMISSION_REMOVAL : ADMISSION_START); /* would not return */
        for (int i = 0; i < 3; i++)
            admission_leave(a, passes[i]);
    }
    admission_free(a);
}

static void nobody_waits_for_those_who_do_not_move(void **state)
{
    (void)state;
    struct admission *a = admission_new(&(struct admission_options){.limit = 1});
    uint64_t passes[4];
    for (int i = 0; i < 4; i++)
        passes[i] =
            admission_enter(a, i == 1 ? ADMISSION_REMOVAL : ADMISSION_START); /* returns, though nobody leaves */
    for (int i = 0; i < 4; i++)
        admission_leave(a, passes[i]);
    admission_free(a);
}

static void those_who_did_not_move_leave_no_room_when_they_go(void **state)
{
    (void)state;
    struct admission *a = admission_new(&(struct admission_options){.limit = 1, .patience_ms = 2000});
    atomic_int order = 0;
    struct visitor late = {.admission = a, .kind = ADMISSION_START, .order = &order};
    uint64_t stuck = admission_enter(a, ADMISSION_START);
    uint64_t next = admission_enter(a, ADMISSION_START); /* in the place of the one who is stuck */
    admission_leave(a, stuck);
    begin_visit(&late);
    while (admission_waiting(a) == 0 && late.place == 0)
        nap();
    assert_int_equal(late.place, 0);
    assert_int_equal(admission_waiting(a), 1);
    admission_leave(a, next);
    pthread_join(late.thread, NULL);
    assert_int_equal(late.place, 1);
    assert_int_equal(admission_waiting(a), 0);
    admission_free(a);
}

struct crowd {
    struct admission *admission;
    atomic_bool stop;
};

static void *start_again_and_again(void *data)
{
    struct crowd *crowd = data;
    while (!atomic_load(&crowd->stop)) {
        uint64_t pass = admission_enter(crowd->admission, ADMISSION_START);
        nap();
        admission_leave(crowd->admission, pass);
    }
    return NULL;
}

static void a_removal_gets_its_turn_beside_starts_without_end(void **state)
{
    (void)state;
    struct crowd crowd = {.admission = admission_new(&(struct admission_options){.limit = 1})};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_again_and_again, &crowd), 0);
    while (admission_waiting(crowd.admission) == 0)
        nap();
    /* Returns, though somebody always waits to start. */
    admission_leave(crowd.admission, admission_enter(crowd.admission, ADMISSION_REMOVAL));
    atomic_store(&crowd.stop, true);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(admission_waiting(crowd.admission), 0);
    admission_free(crowd.admission);
}

/* Two who remove wait for one who starts; the first of them then goes in and out. */
static void let_the_first_of_two_removals_in(struct admission *a, struct visitor removals[2])
{
    uint64_t start = admission_enter(a, ADMISSION_START);
    for (size_t i = 0; i < 2; i++) {
        begin_visit(&removals[i]);
        while (admission_waiting(a) <= i)
            nap();
    }
    admission_leave(a, start);
    pthread_join(removals[0].thread, NULL);
    assert_int_equal(removals[0].place, 1);
}

static void among_starts_the_place_of_a_removal_is_kept_for_a_start(void **state)
{
    (void)state;
    struct admission *a =
        admission_new(&(struct admission_options){.limit = 1, .patience_ms = 600000, .vacancy_ms = 600000});
    atomic_int order = 0;
    struct visitor removals[] = {{.admission = a, .kind = ADMISSION_REMOVAL, .order = &order},
                                 {.admission = a, .kind = ADMISSION_REMOVAL, .order = &order}};
    let_the_first_of_two_removals_in(a, removals);
    assert_int_equal(admission_waiting(a), 1); /* the other one */
    uint64_t start = admission_enter(a, ADMISSION_START);
    assert_int_equal(removals[1].place, 0);
    admission_leave(a, start);
    pthread_join(removals[1].thread, NULL);
    assert_int_equal(removals[1].place, 2);
    admission_free(a);
}

static void a_place_that_no_start_takes_is_the_next_removals(void **state)
{
    (void)state;
    struct admission *a =
        admission_new(&(struct admission_options){.limit = 1, .patience_ms = 600000, .vacancy_ms = 1});
    atomic_int order = 0;
    struct visitor removals[] = {{.admission = a, .kind = ADMISSION_REMOVAL, .order = &order},
                                 {.admission = a, .kind = ADMISSION_REMOVAL, .order = &order}};
    let_the_first_of_two_removals_in(a, removals);
    pthread_join(removals[1].thread, NULL);
    assert_int_equal(removals[1].place, 2);
    assert_int_equal(admission_waiting(a), 0);
    admission_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_go_before_removals_and_in_their_order),
        cmocka_unit_test(as_many_as_the_limit_go_in_without_waiting),
        cmocka_unit_test(nobody_waits_for_those_who_do_not_move),
        cmocka_unit_test(those_who_did_not_move_leave_no_room_when_they_go),
        cmocka_unit_test(among_starts_the_place_of_a_removal_is_kept_for_a_start),
        cmocka_unit_test(a_place_that_no_start_takes_is_the_next_removals),
        cmocka_unit_test(a_removal_gets_its_turn_beside_starts_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
