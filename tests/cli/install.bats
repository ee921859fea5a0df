# make install: what it puts where works from there.
bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export ROOT=$BATS_FILE_TMPDIR/root
    # What was built is installed as it is: not another build, and not the sanitizers' one.
    make -s -C "$ENV_SOURCE" -o all BIN="$DORY_BIN" DESTDIR="$ROOT" PREFIX=/usr install
}

teardown() {
    env_stop # of the test that starts one
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

@test "every command has a man page that man can show, and completions are in place" {
    man=$ROOT/usr/share/man/man1
    for page in dory dory-run dory-container dory-container-ls dory-ps dory-volume-create dory-context-export; do
        [ -s "$man/$page.1" ]
    done
    grep -q '^\.so man1/dory-ps.1$' "$man/dory-container-ls.1"
    # Every command that --help knows, and no warning from the formatter.
    for name in $("$ROOT/usr/bin/dory" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p'); do
        [ -s "$man/dory-$name.1" ]
    done
    for page in "$man"/*.1; do
        [ "$(head -c 3 "$page")" = .so ] || out=$(man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >/dev/null)
        [ -z "${out:-}" ] || {
            echo "$page: $out"
            false
        }
    done
    MANWIDTH=100 man -l "$man/dory-ps.1" | col -b >"$BATS_TEST_TMPDIR/ps"
    grep -q -- '-n, --last int' "$BATS_TEST_TMPDIR/ps"
    for file in bash-completion/completions/dory zsh/site-functions/_dory fish/vendor_completions.d/dory.fish; do
        grep -q __complete "$ROOT/usr/share/$file"
    done
}

@test "an installed daemon finds its shim and runs a container for an installed client" {
    DORY_BIN=$ROOT/usr/bin env_start
    export ENV_CLI=$ROOT/usr/bin/dory
    env_images busybox
    run -0 dory run --rm busybox echo installed
    [ "$output" = installed ]
}
