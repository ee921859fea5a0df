#!/usr/bin/env bats
# docker's CLI plugins: found, asked for their metadata, called with the words, listed, completed.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    export PLUGINS=$DOCKER_CONFIG/cli-plugins
}

teardown_file() {
    env_stop
}

setup() {
    rm -rf "$PLUGINS" "$DOCKER_CONFIG/config.json"
    mkdir -p "$PLUGINS"
}

# A plugin that tells what it was called with: directory, name, metadata.
plugin() {
    cat >"$1/docker-$2" <<EOF_PLUGIN
#!/bin/sh
if [ "\$1" = docker-cli-plugin-metadata ]; then
    echo '$3'
    exit 0
fi
for word; do printf '[%s]' "\$word"; done
echo
echo "host=\$DOCKER_HOST caller=\$DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"
echo "to stderr" >&2
case \$* in *fail*) exit 23 ;; esac
EOF_PLUGIN
    chmod 755 "$1/docker-$2"
}

GOOD='{"SchemaVersion":"0.1.0","Vendor":"Somebody","Version":"v1.2","ShortDescription":"Says hello"}'

@test "a plugin gets all words, the daemon's address and the caller; its streams and its status are its own" {
    plugin "$PLUGINS" hello "$GOOD"
    run -0 --separate-stderr dory --debug hello --flag -x "two words" ps
    [ "${lines[0]}" = "[--debug][hello][--flag][-x][two words][ps]" ]
    [ "${lines[1]}" = "host=$DOCKER_HOST caller=$ENV_CLI" ]
    [ "$stderr" = "to stderr" ]
    run -23 dory hello fail
    [ "$(echo in | dory hello | head -1)" = "[hello]" ]
    # What dory alone looks at is passed on; what is said on the command line is among the words.
    run -0 env -u DOCKER_HOST "DORY_HOST=unix:///somewhere.sock" "$ENV_CLI" hello
    [[ $output == *"host=unix:///somewhere.sock "* ]]
    run -0 env -u DOCKER_HOST -u DORY_HOST "$ENV_CLI" hello
    [[ $output == *"host=unix:///"*".sock "* ]]
    run -0 env -u DOCKER_HOST -u DORY_HOST "$ENV_CLI" -H unix:///there.sock hello
    [[ $output == *"[-H][unix:///there.sock][hello]"*"host= "* ]]
    dory context create elsewhere --docker host=unix:///else.sock >/dev/null
    run -0 env -u DOCKER_HOST -u DORY_HOST DOCKER_CONTEXT=elsewhere "$ENV_CLI" hello
    [[ $output == *"host= "* ]]
    dory context rm elsewhere >/dev/null
}

@test "directories in docker's order, links, and names that are none" {
    mkdir -p "$ENV_DIR/extra"
    plugin "$ENV_DIR/extra" hello "${GOOD/Says/Extra says}"
    plugin "$PLUGINS" hello "$GOOD"
    plugin "$PLUGINS" second "$GOOD"
    ln -s "$PLUGINS/docker-second" "$PLUGINS/docker-linked"
    ln -s /nonexistent "$PLUGINS/docker-broken"
    plugin "$PLUGINS" Upper "$GOOD"
    plugin "$PLUGINS" ps "$GOOD"
    echo "{\"cliPluginsExtraDirs\": [\"$ENV_DIR/extra\"]}" >"$DOCKER_CONFIG/config.json"
    run -0 dory info -f '{{range .ClientInfo.Plugins}}{{.Name}}={{.ShortDescription}};{{end}}'
    [[ $output == *"hello=Extra says hello;"*"linked=Says hello;"*"second=Says hello;"* ]]
    run -1 grep -E 'broken|Upper|ps=' <<<"$output"
    run -0 dory linked a
    [ "${lines[0]}" = "[linked][a]" ]
    run -1 dory Upper
    [[ $output == *"unknown command: "*" Upper"* ]]
    run -1 dory broken
    [[ $output == *"unknown command: "*" broken"* ]]
    run -0 dory ps -q # a command of ours stays ours
    [ -z "$output" ]
}

@test "one that does not keep to the protocol is refused with its path and the reason" {
    while IFS='|' read -r metadata reason; do
        plugin "$PLUGINS" bad "$metadata"
        run -1 dory bad
        echo "$metadata: $output"
        [[ $output == *"plugin $PLUGINS/docker-bad: $reason"* ]]
    done <<'EOF_CASES'
{"SchemaVersion":"0.1.0"}|plugin metadata does not define a vendor
{"Vendor":"x"}|plugin SchemaVersion version cannot be empty
{"SchemaVersion":"2.0.0","Vendor":"x"}|plugin SchemaVersion "2.0.0" is not supported
{"SchemaVersion":"first","Vendor":"x"}|plugin SchemaVersion "first" has wrong format
[]|invalid metadata: not an object
{|invalid metadata: 
EOF_CASES
    printf '#!/bin/sh\necho broken >&2\nexit 3\n' >"$PLUGINS/docker-bad"
    run -1 dory bad
    [[ $output == *"docker-bad: failed to fetch metadata: "*"exit status 3: broken"* ]]
    chmod 644 "$PLUGINS/docker-bad"
    run -1 dory bad
    [[ $output == *"docker-bad: failed to fetch metadata: "*"ermission denied"* ]]
    run -0 dory --help
    [[ $output == *"Invalid Plugins:"*"bad "*"failed to fetch metadata"* ]]
    run -0 dory info
    [[ $output == *"WARNING: Plugin \"$PLUGINS/docker-bad\" is not valid: failed to fetch metadata"* ]]
}

@test "help, info and completion show plugins, but for hidden ones" {
    plugin "$PLUGINS" hello "$GOOD"
    plugin "$PLUGINS" secret "${GOOD/\}/,\"Hidden\":true\}}"
    run -0 dory --help
    [[ $output == *"  hello*      Says hello"* ]]
    [[ $output != *secret* ]]
    run -0 dory info
    [[ $output == *" Plugins:"*"  hello: Says hello (Somebody)"*"    Version:  v1.2"*"    Path:     $PLUGINS/docker-hello"* ]]
    run -0 dory help hello
    [ "${lines[0]}" = "[help][hello]" ]
    run -0 dory __complete he
    [[ $output == *$'hello\tSays hello'* ]]
    run -0 --separate-stderr dory __complete hello wor
    [ "${lines[0]}" = "[__complete][hello][wor]" ]
    run -0 dory __complete sec
    [ "$output" = ":4" ]
}

@test "bake is buildx's, and says so where that is missing" {
    plugin "$PLUGINS" buildx "$GOOD"
    run -0 dory -D bake --print app
    [ "${lines[0]}" = "[-D][buildx][bake][--print][app]" ]
    run -0 dory buildx ls
    [ "${lines[0]}" = "[buildx][ls]" ]
    rm "$PLUGINS/docker-buildx"
    run -1 dory bake
    [ "$output" = "dory: bake is a command of the plugin buildx, which is not installed" ] || grep -q . /usr/*lib*/docker/cli-plugins/docker-buildx /usr/local/lib*/docker/cli-plugins/docker-buildx
}
