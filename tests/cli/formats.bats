#!/usr/bin/env bats
# Lists and their formats: columns, templates, quiet, json, defaults of config.json; inspect, events, info, version and
# history. The statements hold for docker's CLI too: ENV_ENGINE=docker ENV_DOCKER=/path/of/a/docker-28.

bats_require_minimum_version 1.5.0
load ../lib/env

setup_file() {
    env_start
    env_images busybox
    dory tag busybox foo/bar:1
    dory volume create --label x=y labelled >/dev/null
    dory run -d --name web -p 127.0.0.1::80 -l app=x -l com.ex.foo-bar=q -v labelled:/data busybox sleep 10000 >/dev/null
    dory create --name long busybox echo "a very long command line that goes on" >/dev/null
    export WEB
    WEB=$(dory inspect -f '{{.Id}}' web)
}

teardown_file() {
    env_stop
}

@test "tables have docker's columns" {
    run dory ps -a
    [[ ${lines[0]} =~ ^'CONTAINER ID   IMAGE     COMMAND                  CREATED'\ +'STATUS'\ +'PORTS'\ +'NAMES'$ ]]
    [[ ${lines[1]} == *'"echo '"'a very long c…\""*long ]]
    run dory ps -s
    [[ ${lines[0]} =~ SIZE$ ]]
    run dory images
    [[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +'IMAGE ID'\ +CREATED\ +SIZE$ ]]
    run dory volume ls
    [ "${lines[0]}" = "DRIVER    VOLUME NAME" ]
    [ "${lines[1]}" = "local     labelled" ]
    run dory network ls
    [[ ${lines[0]} =~ ^'NETWORK ID'\ +NAME\ +DRIVER\ +SCOPE$ ]]
    run dory history busybox
    [[ ${lines[0]} =~ ^IMAGE\ +CREATED\ +'CREATED BY'\ +SIZE\ +COMMENT$ ]]
    run dory system df
    [[ ${lines[0]} =~ ^TYPE\ +TOTAL\ +ACTIVE\ +SIZE\ +RECLAIMABLE$ ]]
    [[ ${lines[4]} == "Build Cache"* ]]
}

@test "a table of one's own takes its titles from the fields" {
    run dory ps --format 'table {{.Names}}\t{{upper .Image}}\t{{.Label "com.ex.foo-bar"}}\t{{.Mounts}}'
    [ "${lines[0]}" = "NAMES     IMAGE     foo bar   MOUNTS" ]
    [ "${lines[1]}" = "web       BUSYBOX   q         labelled" ]
    run dory volume ls --format 'table {{.Name}}\t{{.Size}}\t{{.Labels}}'
    [ "${lines[0]}" = "VOLUME NAME   SIZE      LABELS" ]
    [ "${lines[1]}" = "labelled      N/A       x=y" ]
}

@test "templates see every field of a row" {
    [ "$(dory ps --format '{{.Names}} {{.Label "app"}} {{.State}} {{.LocalVolumes}} {{.Networks}}')" = "web x running 1 bridge" ]
    [ "$(dory ps --format '{{.Command}}')" = '"sleep 10000"' ]
    [[ $(dory ps --format '{{.CreatedAt}}') =~ ^[0-9]{4}-[0-9-]{5}\ [0-9:]{8}\ [+-][0-9]{4} ]]
    [ "$(dory images --format '{{.Repository}}:{{.Tag}} {{.Containers}} {{.SharedSize}}' foo/bar)" = "foo/bar:1 2 N/A" ]
    [ "$(dory network ls --filter name=bridge --format '{{.Name}} {{.Driver}} {{.Internal}} {{.IPv6}} {{.Label "a"}}')" = \
        "bridge bridge false false " ]
    [ "$(dory ps -a --format '{{range $i, $n := split .Names ","}}{{$i}}{{$n}}{{end}}' --filter name=web)" = 0web ]
}

@test "json rows are objects by name, with Go's escapes" {
    row=$(dory ps --format json)
    [ "$(jq -r '.Names + " " + .Labels + " " + .Image' <<<"$row")" = "web app=x,com.ex.foo-bar=q busybox" ]
    [[ $row == *'-\u003e80/tcp'* ]]
    keys=$(jq -r 'keys_unsorted[]' <<<"$row")
    [ "$keys" = "$(LC_ALL=C sort <<<"$keys")" ]
    [[ $(dory ps --format '{{json .Ports}}') == *'->80/tcp'* ]]
    [ "$(dory volume ls --format json | jq -r .Labels)" = x=y ]
}

@test "quiet prints ids, and wins over a format with a warning" {
    [ "$(dory ps -q --no-trunc)" = "$WEB" ]
    [ "$(dory ps -q)" = "${WEB:0:12}" ]
    run --separate-stderr dory ps -q --format '{{.Names}}'
    [ "$output" = "${WEB:0:12}" ]
    [ "$stderr" = "WARNING: Ignoring custom format, because both --format and --quiet are set." ]
    # One line for each name of an image.
    [ "$(dory images -q | wc -l)" -eq 2 ]
}

@test "a broken config.json is told once, by every command, and stops none" {
    mkdir -p "$BATS_TEST_TMPDIR/broken"
    echo '{bad' >"$BATS_TEST_TMPDIR/broken/config.json"
    for command in --version "ps -a" "run --rm busybox true" "-H unix://$ENV_DIR/dory.sock version"; do
        DOCKER_CONFIG="$BATS_TEST_TMPDIR/broken" run -0 --separate-stderr dory $command
        [ "$(grep -c '^WARNING: Error .*config file.*broken/config.json' <<<"$stderr")" = 1 ]
        [ "${#stderr_lines[@]}" = 1 ]
    done
    DOCKER_CONFIG="$BATS_TEST_TMPDIR/none" run -0 --separate-stderr dory --version
    [ -z "$stderr" ]
}

@test "config.json gives the default format" {
    mkdir "$BATS_TEST_TMPDIR/config"
    echo '{"psFormat":"table {{.Names}}","imagesFormat":"{{.Tag}}","volumesFormat":"{{.Name}}!"}' >"$BATS_TEST_TMPDIR/config/config.json"
    export DOCKER_CONFIG=$BATS_TEST_TMPDIR/config
    [ "$(dory ps)" = $'NAMES\nweb' ]
    [ "$(dory ps -q)" = "${WEB:0:12}" ]
    [ "$(dory ps --format '{{.Image}}')" = busybox ]
    [ "$(dory images foo/bar)" = 1 ]
    [ "$(dory volume ls)" = "labelled!" ]
}

@test "errors of templates are Go's, with the status that docker gives them" {
    run --separate-stderr dory ps --format '{{.Foo}}'
    [ "$status" -eq 1 ]
    [[ $stderr == *"template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext"* ]]
    run --separate-stderr dory images --format '{{.Nope}}'
    [ "$status" -eq 1 ]
    [[ $stderr == *"<.Nope>: can't evaluate field Nope in type *formatter.imageContext"* ]]
    run --separate-stderr dory inspect -f '{{' web
    [ "$status" -eq 64 ]
    [ "$stderr" = "template parsing error: template: :1: unclosed action" ]
    run --separate-stderr dory inspect -f '{{.Foo}}' web
    [ "$status" -eq 1 ]
    [ "$stderr" = 'template parsing error: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"' ]
    run --separate-stderr dory info -f '{{'
    [ "$status" -eq 64 ]
    run --separate-stderr dory version -f '{{'
    [ "$status" -eq 64 ]
}

@test "inspect shows what it found and tells what it did not" {
    run --separate-stderr dory inspect -f '{{.Name}}' web nope labelled
    [ "$status" -eq 1 ]
    [ "$output" = $'/web\nlabelled' ]
    [[ $stderr == *"No such object: nope" ]]
    run --separate-stderr dory inspect nope
    [ "$status" -eq 1 ]
    [ "$output" = "[]" ]
    [ "$(dory inspect web labelled | jq length)" -eq 2 ]
    [ "$(dory inspect --type volume -f '{{.Driver}} {{.Labels.x}} {{index .Labels "nope"}}' labelled)" = "local y " ]
    run --separate-stderr dory inspect --type image web
    [ "$status" -eq 1 ]
    [[ $stderr == *"No such image: web"* ]]
    run --separate-stderr dory inspect --type foo web
    [ "$status" -eq 1 ]
    [[ $stderr == *'foo'* ]]
    [[ $(dory inspect -s -f '{{.SizeRootFs}}' web) =~ ^[0-9]+$ ]]
    [ "$(dory inspect -f '{{.HostConfig.CapAdd}} {{.HostConfig.Init}} {{.Config.Entrypoint}} {{.Config.Labels}}' web)" = \
        "[] <nil> [] map[app:x com.ex.foo-bar:q]" ]
}

@test "templates name the fields as Go does, and what answers leave out is there" {
    dory create --name spelt --cpus 0.5 --dns 10.1.1.1 -p 127.0.0.1:18999:80 busybox >/dev/null
    id=$(dory inspect -f '{{.Id}}' spelt)
    [ "$(dory inspect -f '{{.ID}} {{.HostConfig.NanoCPUs}} {{.HostConfig.DNS}} {{.HostConfig.CPUShares}}' spelt)" = "$id 500000000 [10.1.1.1] 0" ]
    [ "$(dory inspect -f '{{range $port, $hosts := .HostConfig.PortBindings}}{{(index $hosts 0).HostIP}}{{end}}' spelt)" = 127.0.0.1 ]
    [ "$(dory inspect -f '{{.Config.StopSignal}},{{.Config.Shell}},{{.Config.NetworkDisabled}}' spelt)" = ",[],false" ]
    [ "$(dory image inspect -f '{{.Variant}}{{.Author}}.{{eq .ID .Id}}' busybox)" = .true ] || [ "$ENV_ENGINE" = docker ]
    [ "$(dory network inspect -f '{{.ID}}' bridge | wc -c)" -eq 65 ]
    dory rm spelt >/dev/null
    [[ $(dory version -f '{{.Client.APIVersion}} {{.Server.APIVersion}} {{.Server.MinAPIVersion}}') =~ ^1\.[0-9]+\ 1\.[0-9]+\ 1\.24$ ]]
    [[ $(dory info -f '{{.ClientInfo.Arch}} {{.ClientInfo.DefaultAPIVersion}} {{.ServerErrors}} {{.CPUCfsPeriod}}') =~ ^[a-z0-9]+\ 1\.[0-9]+\ \[\]\ (true|false)$ ]]
}

@test "inspect -f json is the list on one line" {
    run --separate-stderr dory inspect -f json web labelled nope
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    [ "$(jq -r '[.[].Name] | join(" ")' <<<"$output")" = "/web labelled" ]
    run --separate-stderr dory inspect -f json nope
    [ "$output" = "[]" ]
}

@test "image ls --tree shows all names of an image, and what is in use" {
    run dory image ls --tree
    [ "$status" -eq 0 ]
    [[ $output == *IMAGE*ID*'DISK USAGE'*'CONTENT SIZE'*EXTRA* ]]
    [[ $output == *busybox:latest* ]]
    [[ $output == *foo/bar:1* ]]
    [ "$(grep -c "$(dory images -q busybox)" <<<"$output")" -eq 1 ]
    run --separate-stderr dory image ls --tree -q
    [ "$status" -eq 1 ]
    [ "$stderr" = "--quiet is not yet supported with --tree" ]
}

@test "events are shown in words, as JSON and through templates" {
    since=$(date +%s)
    dory create --name evented busybox true >/dev/null
    dory rm evented >/dev/null
    until=$(($(date +%s) + 1))
    run dory events --since "$since" --until "$until" --filter container=evented
    [[ ${lines[0]} =~ ^[0-9T:.-]+(Z|[+-][0-9:]{5,6})\ container\ create\ [0-9a-f]{64}\ \(image=busybox,\ name=evented\)$ ]]
    [ "$(dory events --since "$since" --until "$until" --filter container=evented --filter event=create --format '{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.nope}} {{.From}}')" = \
        "container create evented <no value> busybox" ]
    [ "$(dory events --since "$since" --until "$until" --filter container=evented --format json | jq -rs '.[0].Action')" = create ]
    run --separate-stderr dory events --since nonsense
    [ "$status" -eq 1 ]
    run --separate-stderr dory events --format '{{'
    [ "$status" -eq 64 ]
    [ "$stderr" = "Error parsing format: template: :1: unclosed action" ]
}

@test "history shows layers with sizes and times as asked" {
    [ "$(dory history -q --no-trunc busybox | head -1)" = "$(dory inspect -f '{{.Id}}' busybox)" ]
    [[ $(dory history -H=false --format '{{.Size}} {{.CreatedAt}} {{.CreatedSince}}' busybox) =~ ^[0-9]+\ [0-9-]{10}T[0-9:]{8}(Z|[+-][0-9:]{5})\ [0-9-]{10}T ]]
    [ "$(dory history --format json busybox | jq -r .Comment)" = "$(dory history --format '{{.Comment}}' busybox)" ]
    # The rows of the image that it was made from carry that one's name.
    dory create --name historic busybox >/dev/null
    id=$(dory commit -m second historic historic:2)
    [ "$(dory history -q --no-trunc historic:2)" = "$id"$'\n'"$(dory inspect -f '{{.Id}}' busybox)" ]
    dory rm historic >/dev/null
    dory rmi historic:2 >/dev/null
    run --separate-stderr dory history nope
    [ "$status" -eq 1 ]
    [[ $stderr == *"No such image: nope:latest" ]]
}

@test "system df counts, and lists everything with -v" {
    [ "$(dory system df --format '{{.Type}} {{.TotalCount}} {{.Active}}' | head -3)" = $'Images 1 1\nContainers 2 1\nLocal Volumes 1 1' ]
    run dory system df -v
    [ "${lines[0]}" = "Images space usage:" ]
    [[ $output == *"Containers space usage:"* ]]
    [[ $output == *"Local Volumes space usage:"* ]]
    [[ $output == *"Build cache usage: 0B"* ]]
    [ "$(dory system df -v --format '{{json .}}' | jq -r '.Volumes[0].Name + " " + .Volumes[0].Links')" = "labelled 1" ]
}

@test "info and version print their fields, and templates over them" {
    run --separate-stderr dory info
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = Client: ]
    [[ $output == *$'\nServer:\n Containers: 2\n  Running: 1\n  Paused: 0\n  Stopped: 1\n Images: 1\n'* ]]
    [[ $output == *$'\n Security Options:\n  seccomp\n'* ]]
    [ "$(dory info -f '{{.ContainersRunning}} {{.OSType}}')" = "1 linux" ]
    run --separate-stderr dory info -f '{{.Nope}}'
    [ "$status" -eq 1 ]
    [[ $stderr == *"can't evaluate field Nope in type system.dockerInfo" ]]
    run --separate-stderr dory version
    [[ $output == $'Client:\n Version:           '* ]]
    [[ $output == *$'\n Engine:\n  Version:          '* ]]
    [ "$(dory version -f '{{.Client.Os}}/{{.Server.Os}} {{.Client.Context}}')" = "linux/linux default" ]
}
