#!/usr/bin/env bats
# A shim that hangs: its container can be killed and removed nevertheless, and nothing is left.

bats_require_minimum_version 1.5.0
load ../lib/env
load leaks

setup_file() {
    env_start
    env_images busybox
}

teardown_file() {
    # What a failed test has left standing.
    local pid
    [ ! -e "$BATS_FILE_TMPDIR/stopped" ] || while read -r pid; do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != dory-shim ] || kill -KILL "$pid"
    done <"$BATS_FILE_TMPDIR/stopped"
    env_stop
}

process_of() { # container
    dory inspect -f '{{.State.Pid}}' "$1"
}

shim_of() { # container
    awk '/^PPid:/ {print $2}' "/proc/$(process_of "$1")/status"
}

wait_ended() { # pid: gone, or waiting for a parent that stands still
    local i
    for ((i = 0; i < 1500; i++)); do
        case "$(awk '/^State:/ {print $2}' "/proc/$1/status" 2>/dev/null)" in
        '' | Z) return 0 ;;
        esac
        sleep 0.02
    done
    return 1
}

hang() { # shim
    [ "$(cat "/proc/$1/comm")" = dory-shim ]
    echo "$1" >>"$BATS_FILE_TMPDIR/stopped"
    kill -STOP "$1"
}

@test "kill, stop and rm -f work on a container whose shim hangs" {
    dory run --rm busybox true # what the first one makes stays
    before=$(leak_snapshot)
    dory run -d --name found busybox sleep 1000
    env_daemon_kill KILL
    env_daemon_start # this one has found a shim, and is not its parent
    dory run -d --name killed busybox sleep 1000
    dory run -d --name removed busybox sleep 1000
    dory run -d --name stopped busybox sleep 1000
    processes=("$(process_of found)" "$(process_of killed)" "$(process_of removed)" "$(process_of stopped)")
    found_shim=$(shim_of found) killed_shim=$(shim_of killed) removed_shim=$(shim_of removed) stopped_shim=$(shim_of stopped)
    for shim in "$found_shim" "$killed_shim" "$removed_shim" "$stopped_shim"; do
        hang "$shim"
    done
    # Each waits for the shim's answer first: together it is one wait.
    dory kill killed 3>&- &
    killing=$!
    dory rm -f removed 3>&- &
    removing=$!
    dory rm -f found 3>&- &
    removing_found=$!
    dory stop stopped 3>&- &
    stopping=$!
    wait $killing
    wait $removing
    wait $removing_found
    wait $stopping
    for pid in "${processes[@]}"; do
        wait_ended "$pid"
    done
    env_wait_gone "$killed_shim"
    env_wait_gone "$removed_shim"
    env_wait_gone "$stopped_shim"
    [ "$(dory inspect -f '{{.State.Status}} {{.State.ExitCode}}' stopped)" = "exited 137" ]
    dory rm stopped
    kill -CONT "$found_shim"
    env_wait_gone "$found_shim"
    [ "$(dory inspect -f '{{.State.Status}} {{.State.ExitCode}}' killed)" = "exited 137" ]
    [ "$(dory ps -a --format '{{.Names}}')" = killed ]
    dory start killed
    [ "$(dory exec killed echo again)" = again ]
    dory rm -f killed
    leak_compare "$before"
}
