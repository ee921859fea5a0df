/*
 * The worker: takes votes from redis and writes them into PostgreSQL.
 *
 * The vote page appends {"voter": ID, "vote": "a"} to the list `votes`. The worker moves one entry at a time to the
 * list `counting`, writes it, and takes it off `counting`. An entry that it had in hand when it died is still there,
 * and is written by the next worker; writing one twice changes nothing. Only one worker may run at a time.
 *
 * Environment: REDIS_HOST (redis), DB_HOST (db), POSTGRES_USER (postgres), POSTGRES_DB (the user's name),
 * POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

/* How long one wait for a vote takes at most, and the time after which a server that says nothing is taken for lost. */
#define WAIT_SECONDS "15"
#define SILENCE_SECONDS 20

static const char TABLE[] =
    "CREATE TABLE IF NOT EXISTS votes ("
    "voter text PRIMARY KEY, vote text NOT NULL CHECK (vote IN ('a', 'b')), at timestamptz NOT NULL)";
static const char WRITE[] = "INSERT INTO votes (voter, vote, at) SELECT $1::json->>'voter', $1::json->>'vote', now() "
                            "ON CONFLICT (voter) DO UPDATE SET vote = excluded.vote, at = excluded.at";

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* The password from the file or the environment, in static storage; NULL when there is none. */
static const char *password(void)
{
    static char line[256];
    const char *path = getenv("POSTGRES_PASSWORD_FILE");
    if (!path)
        return getenv("POSTGRES_PASSWORD");
    FILE *file = fopen(path, "re");
    if (!file || !fgets(line, sizeof line, file)) {
        fprintf(stderr, "%s: %s\n", path, file ? "empty" : strerror(errno));
        exit(1);
    }
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* As the first process of a container it would otherwise not be ended by the signal. */
static void end(int signal)
{
    (void)signal;
    _exit(0);
}

/* Says what is in the way, once: it is tried again several times a second. */
static void complain(const char *what, const char *why)
{
    static char said[1024];
    char line[sizeof said];
    snprintf(line, sizeof line, "%s: %s", what, why);
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, said) != 0)
        fprintf(stderr, "%s\n", line);
    memcpy(said, line, sizeof said);
}

/* Runs a statement with at most one parameter; says what is wrong with it. */
static bool sql(PGconn *db, const char *statement, const char *parameter)
{
    PGresult *result = PQexecParams(db, statement, parameter ? 1 : 0, NULL, &parameter, NULL, NULL, 0);
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!good)
        complain("database", PQerrorMessage(db));
    PQclear(result);
    return good;
}

static PGconn *db_connect(void)
{
    const char *user = setting("POSTGRES_USER", "postgres");
    const char *names[] = {"host", "user", "dbname", "password", "connect_timeout", "tcp_user_timeout", NULL};
    const char *values[] = {
        setting("DB_HOST", "db"), user, setting("POSTGRES_DB", user), password(), "3", "10000", NULL};
    PGconn *db = PQconnectdbParams(names, values, 0);
    if (PQstatus(db) == CONNECTION_OK && sql(db, "SET client_min_messages = warning", NULL) && sql(db, TABLE, NULL))
        return db;
    if (PQstatus(db) != CONNECTION_OK)
        complain("no database yet", PQerrorMessage(db));
    PQfinish(db);
    return NULL;
}

static redisContext *redis_connect(void)
{
    redisContext *redis = redisConnectWithTimeout(setting("REDIS_HOST", "redis"), 6379, (struct timeval){.tv_sec = 3});
    if (redis && !redis->err && redisSetTimeout(redis, (struct timeval){.tv_sec = SILENCE_SECONDS}) == REDIS_OK)
        return redis;
    complain("no redis yet", redis ? redis->errstr : "out of memory");
    if (redis)
        redisFree(redis);
    return NULL;
}

/* Writes a vote, and says so to who listens. False when the database is not there; what is no vote is passed over. */
static bool count(PGconn *db, const char *vote)
{
    if (sql(db, WRITE, vote) && sql(db, "NOTIFY votes", NULL)) {
        printf("counted %s\n", vote);
        return true;
    }
    return PQstatus(db) == CONNECTION_OK;
}

/* Counts the oldest entry of `counting`, and takes it off; *ret_more: there was one. */
static bool finish_one(redisContext *redis, PGconn *db, bool *ret_more)
{
    redisReply *reply = redisCommand(redis, "LINDEX counting -1");
    bool good = reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL);
    bool more = good && reply->type == REDIS_REPLY_STRING;
    if (more)
        good = count(db, reply->str);
    freeReplyObject(reply);
    if (more && good) {
        reply = redisCommand(redis, "RPOP counting");
        good = reply && reply->type != REDIS_REPLY_ERROR;
        freeReplyObject(reply);
    }
    *ret_more = more;
    return good;
}

/* Moves the next vote to `counting`; waits for one, a while. */
static bool take_one(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "BLMOVE votes counting LEFT LEFT " WAIT_SECONDS);
    bool good = reply && reply->type != REDIS_REPLY_ERROR;
    if (reply && !good)
        complain("redis", reply->str);
    freeReplyObject(reply);
    return good;
}

/* Returns when one of the two is lost. */
static void work(redisContext *redis, PGconn *db)
{
    printf("waiting for votes\n");
    for (bool more = true;;) {
        while (more)
            if (!finish_one(redis, db, &more))
                return;
        if (!take_one(redis))
            return;
        more = true;
    }
}

int main(void)
{
    signal(SIGTERM, end);
    signal(SIGINT, end);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        PGconn *db = db_connect();
        redisContext *redis = db ? redis_connect() : NULL;
        if (redis) {
            work(redis, db);
            fprintf(stderr, "lost redis or the database\n");
        }
        if (redis)
            redisFree(redis);
        PQfinish(db);
        usleep(300 * 1000);
    }
}
