# make install: what it puts where works from there.
bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export ROOT=$BATS_FILE_TMPDIR/root
    # What was built is installed as it is: not another build, and not the sanitizers' one.
    make -s -C "$ENV_SOURCE" -o all BIN="$DORY_BIN" DESTDIR="$ROOT" PREFIX=/usr install
}

teardown_file() {
    env_stop
}

@test "programs, helpers, units and man pages are where the prefix says" {
    local file
    for file in bin/dory bin/doryd bin/dory-runtime libexec/dory/dory-shim libexec/dory/dory-connect; do
        [ -x "$ROOT/usr/$file" ]
    done
    grep -qx 'ExecStart=/usr/bin/doryd -H fd://' "$ROOT/usr/lib/systemd/system/dory.service"
    [ -s "$ROOT/usr/lib/systemd/system/dory.socket" ]
    grep -q 'tlsverify' "$ROOT/usr/share/man/man8/doryd.8"
}

@test "an installed daemon finds its shim and runs a container for an installed client" {
    DORY_BIN=$ROOT/usr/bin env_start
    export ENV_CLI=$ROOT/usr/bin/dory
    env_images busybox
    run -0 dory run --rm busybox echo installed
    [ "$output" = installed ]
}
