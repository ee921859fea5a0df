# What Compose 2.40 refuses is refused, and what it takes is taken. Each line of a test is what a service has besides its
# image, or, when it begins with '!', a whole file; both programs read it.
bats_require_minimum_version 1.5.0
load ../lib/env
load ../lib/clients

setup_file() {
    clients_newer
}

setup() {
    unset "${!COMPOSE_@}"
    mkdir "$BATS_TEST_TMPDIR/p"
    cd "$BATS_TEST_TMPDIR/p" || return 1
    echo A=1 >a.env
}

# $1: the status that both must have. Reads lines.
both() {
    local line ours theirs count=0
    while IFS= read -r line; do
        if [ "${line#!}" = "$line" ]; then
            printf 'services: {web: {image: x, %s}, db: {image: x}}\nvolumes: {data: {}}\n' "$line" >compose.yaml
        else
            printf '%b\n' "${line#!}" >compose.yaml
        fi
        ours=0 theirs=0
        "$DORY_BIN/dory" compose config -q 2>ours || ours=$?
        "$NEWER/usr/libexec/docker/cli-plugins/docker-compose" config -q 2>theirs || theirs=$?
        if [ "$ours $theirs" != "$1 $1" ]; then
            echo "$line: status $ours, Compose: $theirs"
            cat ours theirs
            return 1
        fi
        # Every refusal has its place in the file.
        [ "$1" = 0 ] || grep -qE "compose.yaml:[0-9]+:[0-9]+: " ours || {
            echo "$line"
            cat ours
            return 1
        }
        count=$((count + 1))
    done
    [ "$count" -gt 0 ]
}

@test "values of services that are refused" {
    both 1 <<'LINES'
deploy: {resources: {limits: {memory: "-1"}}}
deploy: {resources: {limits: {memory: 64}}}
shm_size: 1x
cpu_count: -1
container_name: w
container_name: "a:b"
pull_policy: sometimes
pull_policy: every_hour
pull_policy: ""
build: {context: ., provenance: 1}
build: {context: ., sbom: 2}
build: {context: ., additional_contexts: [a]}
build: {context: ., secrets: [{}]}
expose: [1.5]
group_add: [1.5]
ports: ["0"]
ports: ["80-82:80-81"]
ports: [{target: 80, published: true}]
ports: [{target: 80, published: 1.5}]
ports: [{target: 80, host_ip: localhost}]
ports: [{published: 80}]
devices: [{source: /dev/null}]
volumes: [{type: tmpfs, target: /x, tmpfs: {mode: "0755"}}]
volumes: [{type: volume, source: data}]
volumes: [{type: bind, target: /x}]
volumes: ["nothing:/x"]
blkio_config: {weight: "5"}
networks: {default: {priority: "5"}}
networks: {default: {driver_opts: {a: }}}
security_opt: [a, a]
external_links: [a, a]
healthcheck: {test: [a]}
healthcheck: {interval: 5}
stop_grace_period: 5 s
depends_on: {db: {condition: ready}}
depends_on: {db: {required: true}}
env_file: [{path: a.env, format: other}]
ulimits: {nofile: {soft: 1}}
network_mode: host, networks: [default]
tmpfs: [/x], volumes: ["data:/x"]
scale: 2, container_name: fixed
scale: 2, deploy: {replicas: 3}
develop: {watch: [{path: ., action: sync}]}
LINES
}

@test "values of services that are taken" {
    both 0 <<'LINES'
mem_limit: 0
memswap_limit: -1
cpu_shares: 1.5
container_name: ab
pull_policy: every_1d12h
pull_policy: refresh
build: {context: ., provenance: true, sbom: "generator=x"}
dns: ""
cap_add: [A, A]
environment: [A, A]
env_file: [{path: none.env, required: false}]
ports: ["80-82:80-82", "[::1]:90:90", "1.2.3.4::91/sctp", "9000-9002:99"]
volumes: ["data:/x:anything", "~:/home", ".:/here"]
healthcheck: {test: []}
stop_grace_period: 1d12h
ulimits: {nofile: -1, core: {soft: "1", hard: "2"}}
command: "", entrypoint: []
networks: {default: }
profiles: [""]
depends_on: {db: {condition: service_started, required: false}}
deploy: null
develop: null
logging: {options: {a: , b: 5}}
LINES
}

@test "objects and whole files that are refused" {
    both 1 <<'LINES'
!services: {web: {image: x}}\nnetworks: {n: {ipam: {options: {a: 5}}}}
!services: {web: {image: x}}\nnetworks: {n: {ipam: {config: [{aux_addresses: {a: 5}}]}}}
!services: {web: {image: x}}\nnetworks: {n: {driver_opts: {a: }}}
!services: {web: {image: x}}\nvolumes: {v: {external: true, driver: x}}
!services: {web: {image: x}}\nsecrets: {s: {}}
!services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {file: a, environment: B}}
!services: {web: {image: x, configs: [c]}}
!services: {"a b": {image: x}}
!services: [web]
!services: {web: {image: x}}\nvolumes:
!services: {web: }
!services: {web: {image: x}, web: {image: y}}
!services: {web: {image: x}}\nnetworks: [n]
!services: {web: {image: x}}\n5: 6
!services: {web: {image: x, security_opt: [a]}}\n---\nservices: {web: {security_opt: [a]}}
!services: {web: {image: x}}\nx-a: [1]\n---\nx-a: {b: 2}
!services: {a: {image: x, extends: b}, b: {image: x, extends: a}}
!services: {a: {image: x, extends: {file: none.yaml, service: b}}}
!services: {a: {image: x, network_mode: "service:b"}}
!services: {a: {image: x, volumes_from: [b]}}
!services: {web: {image: x, hostname: *none}}
!include: [none.yaml]\nservices: {}
LINES
}

@test "objects and whole files that are taken" {
    both 0 <<'LINES'
!include:\nservices: {web: {image: x}}
!services: {web: {image: x}}\nnetworks: {n: }
!services: {web: {image: x}}\nnetworks: {n: {external: {name: old}}}
!services: {web: {image: x}}\nversion: "2.4"
!services: {web: {image: x}}\nx-a: [1]\n---\nx-a: [2]
!services: {web: {image: x, ulimits: {core: 1}}}\n---\nservices: {web: {ulimits: {core: {soft: 1, hard: 2}}}}
!services: {web: {image: x, ulimits: {core: {soft: 1, hard: 2}}}}\n---\nservices: {web: {ulimits: {core: 1}}}
!services: {web: {image: x, cap_add: [a]}}\n---\nservices: {web: {cap_add: [a]}}
!services: {web: {image: x, x-own: {a: 1}}}
LINES
}
