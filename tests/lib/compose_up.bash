# For the tests of up and its like: a file's daemon and reference, and a project in a directory of each test's own.
load ../lib/compose

setup_file() {
    compose_setup_file
}

teardown_file() {
    env_stop
}

setup() {
    PROJECT=$BATS_TEST_TMPDIR/shop
    mkdir "$PROJECT"
}

teardown() {
    compose down -v -t 0 --remove-orphans >/dev/null 2>&1 || true
    dory volume prune -af >/dev/null
}

# The Compose file, from standard input.
file() {
    cat >"$PROJECT/compose.yaml"
}

id_of() {
    dory inspect -f '{{.Id}}' "$1"
}

state_of() {
    dory inspect -f '{{.State.Status}}' "$1"
}

# Two services, the second of which needs the first.
two_services() {
    file <<'YAML'
services:
  db:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    volumes: ["data:/data", "/anonymous"]
  web:
    image: busybox:latest
    command: sleep 1000
    stop_grace_period: 0s
    depends_on: [db]
volumes: {data: {}}
YAML
}
