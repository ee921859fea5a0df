# For the tests of up and its like: a project in a directory of each test's own. Needs env.bash, clients.bash and
# compose.bash.

compose_up_setup() {
    PROJECT=$BATS_TEST_TMPDIR/shop
    mkdir "$PROJECT"
}

compose_up_teardown() {
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
