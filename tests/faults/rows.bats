#!/usr/bin/env bats
# Rows of the database that cannot be read: the daemon starts, says so, and keeps what belongs to them.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    env_stop
}

sql() { # statement value...
    /usr/bin/python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
assert db.execute(sys.argv[2], sys.argv[3:]).rowcount == 1
db.commit()' "$ENV_DIR/data/dory.db" "$@"
}

@test "a container whose row is broken is shown as dead, and can be removed; others go on" {
    dory run -d --name fine busybox sleep 1000
    broken=(config-garbage config-type config-number state-garbage state-unknown mount-empty)
    for name in "${broken[@]}"; do dory create --name "$name" -v "vol-$name:/v" busybox true; done
    dory create --name config-empty busybox true
    dory run -d --name state-lost busybox sleep 1000
    env_daemon_kill
    sql "UPDATE containers SET config = ? WHERE name = 'config-garbage'" '{"Path": "/bi'
    sql "UPDATE containers SET config = ? WHERE name = 'config-type'" '{"Path": 7, "Args": {}}'
    sql "UPDATE containers SET config = ? WHERE name = 'config-number'" '{"HostConfig": {"Memory": 1e999}}'
    sql "UPDATE containers SET state = ? WHERE name = 'state-garbage'" ']'
    sql "UPDATE containers SET state = ? WHERE name = 'state-unknown'" '{"Status": "asleep"}'
    sql "UPDATE containers SET config = ? WHERE name = 'mount-empty'" '{"Path": "/bin/true", "Mounts": [{"Type": 1}]}'
    sql "UPDATE containers SET config = ? WHERE name = 'config-empty'" '{}'
    sql "UPDATE containers SET state = ? WHERE name = 'state-lost'" ''
    env_daemon_start
    [ "$(dory inspect -f '{{.State.Running}}' fine)" = true ]
    for name in "${broken[@]}"; do
        [ "$(dory inspect -f '{{.State.Status}}' "$name")" = dead ]
        [[ $(dory inspect -f '{{.State.Error}}' "$name") == "its row in the database cannot be read: "* ]]
        id=$(dory inspect -f '{{.Id}}' "$name")
        grep -q "container $id in the database: " "$ENV_DIR/doryd.log"
        run dory start "$name"
        [ "$status" -eq 1 ]
    done
    # A process that is still there makes it run again.
    [ "$(dory inspect -f '{{.State.Running}}' state-lost)" = true ]
    # A second start finds them as they were.
    env_daemon_kill
    env_daemon_start
    [ "$(dory ps -a --filter status=dead -q | wc -l)" = "${#broken[@]}" ]
    dory rm "${broken[@]}" config-empty
    dory rm -f fine state-lost
    [ -z "$(dory ps -aq)" ]
    dory volume prune -af >/dev/null
    dory run --rm busybox true
}
