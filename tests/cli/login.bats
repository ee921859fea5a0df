#!/usr/bin/env bats
# login and logout: what the daemon is asked, where credentials are kept (config.json, helper programs), and what is said.
# The statements hold for docker's CLI too (ENV_ENGINE=docker ENV_DOCKER=/path/of/a/docker-28).

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    export SOCKET=$BATS_FILE_TMPDIR/auth.sock LOG=$BATS_FILE_TMPDIR/auth.log
    /usr/bin/python3 "$ENV_SOURCE/tests/clients/auth_daemon.py" "$SOCKET" "$LOG" 3>&- 4>&- >/dev/null 2>&1 &
    echo $! >"$BATS_FILE_TMPDIR/pid"
    disown $!
    local i
    for ((i = 0; i < 1000; i++)); do
        [ ! -S "$SOCKET" ] || break
        sleep 0.02
    done
    [ -S "$SOCKET" ]
}

teardown_file() {
    kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}

setup() {
    export DOCKER_CONFIG=$BATS_TEST_TMPDIR/config DORY_HOST=unix://$SOCKET DOCKER_HOST=unix://$SOCKET
    mkdir "$DOCKER_CONFIG"
    CONFIG=$DOCKER_CONFIG/config.json
}

login() { # password argument...
    local password=$1
    shift
    run --separate-stderr bash -c 'printf "%s\n" "$1" | "${@:2}"' sh "$password" "$ENV_CLI" login "$@"
}

@test "credentials that the daemon accepts go into config.json, with a warning" {
    login good -u me --password-stdin reg.example
    [ "$status" -eq 0 ]
    [ "$output" = "Login Succeeded" ]
    [[ $stderr == *"WARNING! Your credentials are stored unencrypted in '$CONFIG'."* ]]
    [ "$(jq -r '.auths["reg.example"].auth' "$CONFIG" | base64 -d)" = me:good ]
    [ "$(stat -c %a "$CONFIG")" = 600 ]
    [ "$(tail -1 "$LOG" | jq -c '[.username,.password,.serveraddress]')" = '["me","good","reg.example"]' ]
    # Docker Hub under its old name; schemes and paths are not part of a name.
    login good -u me --password-stdin
    login good -u me --password-stdin https://other.example/v1/
    [ "$(jq -c '.auths | keys' "$CONFIG")" = '["https://index.docker.io/v1/","other.example","reg.example"]' ]
}

@test "an identity token takes the password's place" {
    login token -u me --password-stdin tok.example
    [ "$status" -eq 0 ]
    [ "$(jq -c '.auths["tok.example"]' "$CONFIG")" = '{"auth":"bWU6","identitytoken":"identity"}' ]
}

@test "refused credentials change nothing" {
    login bad -u me --password-stdin reg.example
    [ "$status" -eq 1 ]
    [ -z "$output" ]
    [ "$stderr" = "Error response from daemon: unauthorized: incorrect username or password" ]
    [ ! -e "$CONFIG" ]
}

@test "flags that do not go together, and a missing terminal, are refused" {
    run --separate-stderr dory login --password-stdin reg.example </dev/null
    [ "$status" -eq 1 ]
    [ "$stderr" = "the --password-stdin option requires --username to be set" ]
    run --separate-stderr dory login -u me -p x --password-stdin reg.example </dev/null
    [ "$stderr" = "conflicting options: cannot specify both --password and --password-stdin" ]
    run --separate-stderr dory login reg.example </dev/null
    [ "$status" -eq 1 ]
    [ "$stderr" = "Error: Cannot perform an interactive login from a non TTY device" ]
    run --separate-stderr dory login -u me -p good reg.example </dev/null
    [ "${stderr_lines[0]}" = "WARNING! Using --password via the CLI is insecure. Use --password-stdin." ]
    [ "$output" = "Login Succeeded" ]
    # What is stored is used again.
    run --separate-stderr dory login reg.example </dev/null
    [ "$output" = "Login Succeeded" ]
    [ "${stderr_lines[0]}" = "Authenticating with existing credentials... [Username: me]" ]
}

@test "what else is in config.json stays there" {
    echo '{"psFormat":"table {{.Names}}","HttpHeaders":{"X":"y"},"auths":{"kept.example":{"auth":"eDp5"}}}' >"$CONFIG"
    login good -u me --password-stdin reg.example
    [ "$(jq -c '[.psFormat, .HttpHeaders.X, .auths["kept.example"].auth]' "$CONFIG")" = '["table {{.Names}}","y","eDp5"]' ]
    [ "$(dory logout reg.example)" = "Removing login credentials for reg.example" ]
    [ "$(jq -c '.auths | keys' "$CONFIG")" = '["kept.example"]' ]
    [ "$(dory logout)" = "Removing login credentials for https://index.docker.io/v1/" ]
    ln "$CONFIG" "$BATS_TEST_TMPDIR/hard"
    mv "$CONFIG" "$BATS_TEST_TMPDIR/real"
    ln -s "$BATS_TEST_TMPDIR/real" "$CONFIG"
    login good -u me --password-stdin reg.example
    [ -L "$CONFIG" ]
    jq -e '.auths["reg.example"]' "$BATS_TEST_TMPDIR/real"
}

helper() { # a credential helper that keeps its secrets in files, and a log of what it was asked
    mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/store"
    cat >"$BATS_TEST_TMPDIR/bin/docker-credential-test" <<EOT
#!/bin/bash
input=\$(cat)
echo "\$1 \$input" >>"$BATS_TEST_TMPDIR/helper.log"
name() { base64 -w0 <<<"\$1" | tr / _; }
case \$1 in
store) echo "\$input" >"$BATS_TEST_TMPDIR/store/\$(name "\$(jq -r .ServerURL <<<"\$input")")" ;;
get) cat "$BATS_TEST_TMPDIR/store/\$(name "\$input")" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f "$BATS_TEST_TMPDIR/store/\$(name "\$input")" ;;
esac
EOT
    chmod +x "$BATS_TEST_TMPDIR/bin/docker-credential-test"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "credential helpers keep what config.json would" {
    helper
    echo '{"credsStore":"test"}' >"$CONFIG"
    login good -u me --password-stdin reg.example
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$(jq -c '.auths' "$CONFIG")" = '{"reg.example":{}}' ]
    [ "$(grep ^store "$BATS_TEST_TMPDIR/helper.log" | cut -c7- | jq -c '[.ServerURL,.Username,.Secret]')" = '["reg.example","me","good"]' ]
    run --separate-stderr dory login reg.example </dev/null
    [ "$output" = "Login Succeeded" ]
    login token -u me --password-stdin tok.example
    [ "$(grep ^store "$BATS_TEST_TMPDIR/helper.log" | tail -1 | cut -c7- | jq -c '[.Username,.Secret]')" = '["<token>","identity"]' ]
    dory logout reg.example
    grep -qx 'erase reg.example' "$BATS_TEST_TMPDIR/helper.log"
    [ "$(jq -c '.auths | keys' "$CONFIG")" = '["tok.example"]' ]
}

@test "credHelpers are for their registries only, and one that is missing is told" {
    helper
    echo '{"credHelpers":{"special.example":"test","gone.example":"nosuch"}}' >"$CONFIG"
    login good -u me --password-stdin special.example
    [ "$(jq -c '.auths["special.example"]' "$CONFIG")" = '{}' ]
    login good -u me --password-stdin plain.example
    [ "$(jq -r '.auths["plain.example"].auth' "$CONFIG" | base64 -d)" = me:good ]
    login good -u me --password-stdin gone.example
    [ "$status" -eq 1 ]
    [[ $stderr == *"Error saving credentials: error storing credentials - err: exec: \"docker-credential-nosuch\": executable file not found in \$PATH"* ]]
}

@test "on a terminal it asks, and does not show the password" {
    [ "$ENV_ENGINE" = dory ] || skip "docker asks in other words"
    cat >"$BATS_TEST_TMPDIR/ask.py" <<'EOT'
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "login", "reg.example"])
text = b""
def until(mark):
    global text
    end = time.time() + 30
    while mark not in text:
        if time.time() > end or not select.select([fd], [], [], 30)[0]:
            sys.exit(f"no {mark} in {text}")
        text += os.read(fd, 4096)
until(b"Username: ")
os.write(fd, b"me\n")
until(b"Password: ")
# The terminal stops echoing before the question is answered by anyone.
import termios
end = time.time() + 30
while termios.tcgetattr(fd)[3] & termios.ECHO:
    if time.time() > end:
        sys.exit("it echoes")
    time.sleep(0.01)
os.write(fd, b"good\n")
until(b"Login Succeeded")
sys.exit(b"good" in text)
EOT
    /usr/bin/python3 "$BATS_TEST_TMPDIR/ask.py" "$ENV_CLI"
    [ "$(jq -r '.auths["reg.example"].auth' "$CONFIG" | base64 -d)" = me:good ]
}
