#up - d, create, down, scale, start, stop, restart, kill, pause, rm of dory compose,                                   \
    beside Compose 2.x and docker - compose 1.29.
bats_require_minimum_version 1.5.0 load../ lib / env load../ lib / clients load../ lib /
    compose

    setup_file(){clients_newer env_start env_images busybox}

    teardown_file(){env_stop}

    setup(){PROJECT = $BATS_TEST_TMPDIR / shop mkdir "$PROJECT"}

    teardown(){compose down - v - t 0 --remove - orphans > / dev / null 2 > &1 ||
               true dory volume prune - af > / dev / null}

    file(){cat > "$PROJECT/compose.yaml"}

    id_of(){dory inspect - f '{{.Id}}' "$1"}

    state_of(){dory inspect - f '{{.State.Status}}' "$1"}

#Two services, the second of which needs the first.
    two_services()
{
    file << 'YAML' services : db : image : busybox : latest command : sleep 1000 stop_grace_period : 0s volumes
        : [ "data:/data", "/anonymous" ] web : image : busybox : latest command
        : sleep 1000 stop_grace_period : 0s depends_on : [db] volumes:
    {
    data : {
    }
    }
    YAML
}

@test "up -d makes network, volume and containers with the names and labels of Compose, and says so line by line"
{
    two_services run - 0 --separate - stderr compose up - d[-z "$output"] diff <
        (printf '%s\n' "Network shop_default  Creating"
                       "Network shop_default  Created"
                       "Volume shop_data  Creating"
                       "Volume shop_data  Created"
                       "Container shop-db-1  Creating"
                       "Container shop-db-1  Created"
                       "Container shop-web-1  Creating"
                       "Container shop-web-1  Created"
                       "Container shop-db-1  Starting"
                       "Container shop-db-1  Started"
                       "Container shop-web-1  Starting"
                       "Container shop-web-1  Started") < (sed 's/^ //' < < < "$stderr") ours =
        $(dory inspect - f '{{json .Config.Labels}}' shop - web - 1) networks =
            $(dory network inspect - f '{{json .Labels}}' shop_default) volumes =
                $(dory volume inspect - f '{{json .Labels}}' shop_data) aliases =
                    $(dory inspect - f '{{json (index .NetworkSettings.Networks "shop_default").Aliases}}' shop - web -
                      1)[["$aliases" == '["shop-web-1","web"' * ]] compose down -
                    v compose_reference up -
                    d["$ours" = "$(dory inspect -f '{{json .Config.Labels}}' shop-web-1)"]
                     ["$networks" = "$(dory network inspect -f '{{json .Labels}}' shop_default)"]
                     ["$volumes" = "$(dory volume inspect -f '{{json .Labels}}' shop_data)"]
}

@test "either of dory and Compose leaves the other's containers as they are, and stops and removes them"
{
    two_services compose up - d before = $(id_of shop - db - 1) $(id_of shop - web - 1) compose_reference up -
                                         d["$before" = "$(id_of shop-db-1)$(id_of shop-web-1)"] compose_reference
                                             stop["$(state_of shop-web-1)" = exited] compose
                                                 start["$(state_of shop-web-1)" = running] compose_reference down -
                                         v[-z "$(dory ps -aq)"] compose_reference up -
                                         d before = $(id_of shop - db - 1) $(id_of shop - web - 1) compose up -
                                                    d["$before" = "$(id_of shop-db-1)$(id_of shop-web-1)"] compose
                                                        stop["$(state_of shop-db-1)" = exited] compose down -
                                                    v[-z "$(dory ps -aq)$(dory volume ls -q)"]
}

@test "a project of docker-compose 1.29 is stopped, started and removed"
{
    two_services
    {
        echo 'version: "3.8"' && cat "$PROJECT/compose.yaml";
    }
    > "$PROJECT/docker-compose.yml" rm "$PROJECT/compose.yaml"(cd "$PROJECT" && docker - compose up - d 3 > &-4 > &-)
                compose stop["$(state_of shop_db_1)" = exited] compose start["$(state_of shop_db_1)" = running] compose
                    down -
            v[-z "$(dory ps -aq)"] compose up - d run - 0 bash -
            c "cd '$PROJECT' && docker-compose ps -q 3>&- 4>&-"[["$output" == *"$(id_of shop-db-1)" * ]](
                cd "$PROJECT" && docker - compose down 3 > &-4 > &-)[-z "$(dory ps -aq)"]
}

@test "only what has changed is made anew, and what needs it stays; anonymous and named volumes are kept"
{
    two_services compose up - d dory exec shop - db - 1 sh - c 'echo 1 >/data/named; echo 2 >/anonymous/file' web =
        $(id_of shop - web - 1) db =
            $(id_of shop - db - 1) sed - i 's/command: sleep 1000/command: sleep 2000/' "$PROJECT/compose.yaml" sed -
            i '0,/sleep 2000/! s/sleep 2000/sleep 1000/' "$PROJECT/compose.yaml" run - 0 compose up -
            d[["$output" == *"Container shop-db-1  Recreated" * ]][["$output" == *"Container shop-web-1  Running" * ]]
             ["$web" = "$(id_of shop-web-1)"]["$db" != "$(id_of shop-db-1)"]
             ["$(dory exec shop-db-1 cat /data/named /anonymous/file)" = $ '1\n2'] run -
            0 compose up - d - V db run - 1 dory exec shop - db -
            1 cat / anonymous / file["$(dory exec shop-db-1 cat /data/named)" = 1]
}

@test "a new image of the same name makes the containers anew"
{
    dory tag busybox : latest shop : test file << 'YAML' services : web
        : {image : "shop:test", command : sleep 1000, stop_grace_period : 0s} YAML compose up -
          d before = $(id_of shop - web - 1) compose up -
                     d["$before" = "$(id_of shop-web-1)"] dory commit "$before" shop
        : test compose up -
          d["$before" != "$(id_of shop-web-1)"] compose down - v dory rmi shop : test
}

@test "--force-recreate, --no-recreate, --always-recreate-deps and --no-deps"
{
    two_services compose up - d db = $(id_of shop - db - 1) web =
        $(id_of shop - web - 1) compose up - d-- force -
        recreate web["$db" = "$(id_of shop-db-1)"]["$web" != "$(id_of shop-web-1)"] compose up - d-- always - recreate -
        deps web["$db" != "$(id_of shop-db-1)"] web =
            $(id_of shop - web - 1) sed - i 's/sleep 1000/sleep 3000/' "$PROJECT/compose.yaml" compose up - d-- no -
            recreate["$web" = "$(id_of shop-web-1)"] compose down compose up - d-- no -
            deps web["$(dory ps --format '{{.Names}}')" = shop - web - 1] run - 1 compose up - d-- force -
            recreate-- no - recreate["$output" = "--force-recreate and --no-recreate are incompatible"]
}

@test "scale: by the file, by --scale and by the command; those of the highest numbers go first"
{
    file << 'YAML' services : web:
    {
    image:
        "busybox:latest", command : sleep 1000, stop_grace_period : 0s, deploy:
        {
        replicas:
            2
        }
    }
    YAML compose up - d first = $(id_of shop - web - 1)["$(compose ps -q | wc -l)" = 2] compose up - d-- scale web =
                                    4 ["$(compose ps -q | wc -l)" = 4] compose scale web =
                                        1 ["$(compose ps -aq)" = "$first"] run - 1 compose up - d-- scale nothing =
                                            1 ["$output" = "no such service: nothing"] run -
                                            1 compose scale web["$output" = "invalid scale specifier: web"]
}

@test "conditions: healthy and completed services are waited for, and an optional one that fails is passed over"
{
    file << 'YAML' services : job : {image : "busybox:latest", command : "true"} db : image : busybox : latest command
        : sh -
          c 'sleep 0.5; touch /ready; exec sleep 1000' healthcheck
        : {test : [ CMD, test, -e, / ready ], interval : 100ms, retries : 100} stop_grace_period : 0s optional
        : {image : "busybox:latest", command : "false"} web : image : busybox : latest command
        : sleep 1000 stop_grace_period : 0s depends_on : job : {condition : service_completed_successfully} db
        : {condition : service_healthy} optional
        : {condition : service_completed_successfully, required : false} YAML run -
          0 compose up -
          d[["$output" == *"Container shop-db-1  Healthy" * ]][["$output" == *"Container shop-job-1  Exited" * ]]
           [["$output" == *'optional dependency \"optional\" failed to start' * ]]["$(state_of shop-web-1)" = running]
           ["$(dory inspect -f '{{.State.Health.Status}}' shop-db-1)" = healthy]
}

@test "a dependency that fails stops what needs it, and the sentence says which and why"
{
    file << 'YAML' services : job : {image : "busybox:latest", command : sh - c 'exit 3'} db:
    {
    image:
        "busybox:latest", command : sleep 1000, stop_grace_period : 0s, healthcheck:
        {
        test:
            "exit 1", interval : 100ms, retries : 1
        }
    }
after : {
image:
    "busybox:latest", command : sleep 1000, depends_on:
    {
    job : {
    condition:
        service_completed_successfully
    }
    }
}
web : {
image:
    "busybox:latest", command : sleep 1000, depends_on:
    {
    db : {
    condition:
        service_healthy
    }
    }
}
    YAML run - 1 compose up -
        d after[["$output" == *"service \"job\" didn't complete successfully: exit 3"]]
               ["$(state_of shop-after-1)" = created] run -
        1 compose up -
        d web[["$output" == *"dependency failed to start: container shop-db-1 is unhealthy"]]
             ["$(state_of shop-web-1)" = created]
}

@test "a service that cannot be started is named with the cause, and up again repairs it"
{
    file << 'YAML' services : web
        : {image : "busybox:latest", command : / nothing, stop_grace_period : 0s} YAML run -
          1 compose up -
          d[["${lines[-1]}" == "service web: container shop-web-1: Error response from daemon: " * nothing * ]] sed -
          i 's,/nothing,sleep 1000,' "$PROJECT/compose.yaml" run - 0 compose up -
          d["$(state_of shop-web-1)" = running]["$(dory ps -aq | wc -l)" = 1]
}

@test "--wait waits until all is healthy, --wait-timeout gives up, and an end is a failure"
{
    file << 'YAML' services : db : image : busybox : latest command : sleep 1000 healthcheck
        : {test : [ CMD, test, -e, / ready ], interval : 100ms, retries : 1000} stop_grace_period : 0s YAML run -
          1 compose up - d-- wait-- wait -
          timeout 1 [["$output" == *"application not healthy after 1s"]] dory exec shop - db - 1 touch / ready run -
          0 compose up-- wait[["$output" == *"Container shop-db-1  Healthy" * ]] file < < <
        'services: {job: {image: "busybox:latest", command: sh -c "exit 4", healthcheck: {test: "exit 1"}}}' run -
            1 compose up-- wait[["$output" == *"container shop-job-1 exited (4)"]]
}

@test "orphans are warned of, and removed with --remove-orphans"
{
    two_services compose up - d file < < <
        'services: {web: {image: "busybox:latest", command: sleep 1000, stop_grace_period: 0s}}' run - 0 compose up -
            d[["$output" == *"Found orphan containers ([shop-db-1]) for this project." * ]] COMPOSE_IGNORE_ORPHANS =
        1 run - 0 compose up - d[["$output" != *orphan * ]] run - 0 compose up - d-- remove -
        orphans[["$output" == *"Container shop-db-1  Removed" * ]]["$(dory ps -aq | wc -l)" = 1]
}

@test "services share namespaces and volumes of others, and follow when these are made anew"
{
    file << 'YAML' services : first : {
        image : "busybox:latest",
        command : sleep 1000,
        stop_grace_period : 0s,
        hostname : one,
        volumes : ["/shared"],
        ipc : shareable
    } second : image : busybox : latest command : sleep 1000 stop_grace_period : 0s network_mode : service : first pid
        : service : first ipc : service : first volumes_from
        : ["first:ro"] YAML compose up -
          d["$(dory inspect -f '{{.HostConfig.NetworkMode}}' shop-second-1)" = "container:$(id_of shop-first-1)"] dory
              exec shop -
          first - 1 touch / shared / file dory exec shop - second - 1 test - e / shared / file second =
        $(id_of shop - second - 1) compose up - d["$second" = "$(id_of shop-second-1)"] sed -
        i 's/hostname: one/hostname: two/' "$PROJECT/compose.yaml" compose up -
        d["$(dory inspect -f '{{.HostConfig.NetworkMode}}' shop-second-1)" = "container:$(id_of shop-first-1)"]
         ["$(state_of shop-second-1)" = running] second =
            $(id_of shop - second - 1) compose_reference up - d["$second" = "$(id_of shop-second-1)"]
}

@test "restart: true restarts what depends on a service that is made anew"
{
    file << 'YAML' services : db : {image : "busybox:latest", command : sleep 1000, stop_grace_period : 0s} web:
    {
    image:
        "busybox:latest", command : sleep 1000, stop_grace_period : 0s, depends_on:
        {
        db : {
        condition:
            service_started, restart : true
        }
        }
    }
    YAML compose up - d web = $(dory inspect - f '{{.Id}} {{.State.StartedAt}}' shop - web - 1) sed -
                              i '0,/sleep 1000/ s/sleep 1000/sleep 2000/' "$PROJECT/compose.yaml" compose up - d again =
                                  $(dory inspect - f '{{.Id}} {{.State.StartedAt}}' shop - web -
                                    1)["${web%% *}" = "${again%% *}"]["$web" != "$again"] compose restart
                                      db["$again" != "$(dory inspect -f '{{.Id}} {{.State.StartedAt}}' shop-web-1)"]
}

@test "secrets and configs: files are bound, contents and variables are copied into the container"
{
    echo 'from a file' > "$PROJECT/secret" file << 'YAML' services : web : image : busybox : latest command
        : sleep 1000 stop_grace_period : 0s secrets
        : [ file, {source : variable, target : named, uid : "65534", mode : 0400} ] configs
        : [ {source : text, target : / etc / text} ] secrets:
    {
    file : {
    file:
        ./ secret
    }
        , variable:
        {
        environment:
            SECRET
        }
    }
configs : {
text : {
content:
    "text of the file"
}
}
    YAML SECRET = hidden compose up -
                  d["$(dory exec shop-web-1 cat /run/secrets/file)" = "from a file"]
                   ["$(dory exec shop-web-1 cat /run/secrets/named /etc/text)" = "hiddentext of the file"]
                   ["$(dory exec shop-web-1 stat -c '%u %a' /run/secrets/named)" = "65534 400"]
}

@test "hooks run in the container; one that fails is told"
{
    file << 'YAML' services : web : image : busybox : latest command : sleep 1000 stop_grace_period : 0s volumes
        : ["./out:/out"] post_start : [ {command : [ sh, -c, "echo started >/out/post" ]} ] pre_stop
        : [ {command : [ sh, -c, "echo stopping >/out/pre" ]} ] YAML mkdir "$PROJECT/out" compose up -
          d["$(cat " $PROJECT / out / post ")" = started] compose
              stop["$(cat " $PROJECT / out / pre ")" = stopping] sed -
          i 's,echo started >/out/post,exit 7,' "$PROJECT/compose.yaml" run - 1 compose up -
          d[["$output" == *"post_start hook exited with status 7"]]
}

@test "networks: addresses, aliases, priorities, external ones, and a network that has changed"
{
    dory network create shop - outside file
        << 'YAML' services : web : image : busybox : latest command : sleep 1000 stop_grace_period : 0s networks : inner
        : {ipv4_address : 10.199.7.9, aliases : [other], priority : 10, mac_address : "02:42:0a:c7:07:09"} outside:
    {
    }
networks:
inner : {
ipam : {
config:
    [{subnet : 10.199.7.0 / 24}]
}
    , labels:
    {
    role:
        inner
    }
}
outside : {
external:
    true, name : shop - outside
}
    YAML compose up - d run - 0 dory inspect -
            f '{{.HostConfig.NetworkMode}} {{with index .NetworkSettings.Networks "shop_inner"}}{{.IPAddress}} {{.MacAddress}}{{end}}' shop -
            web -
            1 ["$output" = "shop_inner 10.199.7.9 02:42:0a:c7:07:09"]
              ["$(dory exec shop-web-1 nslookup other | grep -c 10.199.7.9)" - ge 1] sed -
            i 's/10.199.7/10.199.8/g' "$PROJECT/compose.yaml" compose up -
            d["$(dory network inspect -f '{{(index .IPAM.Config 0).Subnet}}' shop_inner)" = 10.199.8.0 / 24]
             ["$(state_of shop-web-1)" = running] compose down dory network inspect shop -
            outside >
        / dev / null dory network rm shop - outside run - 1 compose up -
            d[["$output" == *"network shop-outside declared as external, but could not be found"]]
}

@test "volumes: external ones, and one that has changed is made anew only when that is wanted"
{
    file << 'YAML' services : web
        : {image : "busybox:latest", command : sleep 1000, stop_grace_period : 0s, volumes : ["data:/data"]} volumes:
    {
    data : {
    labels : {
    state:
        one
    }
    }
    }
    YAML compose up - d dory exec shop - web - 1 touch / data / file sed -
            i 's/state: one/state: two/' "$PROJECT/compose.yaml" compose up - d <
        / dev / null dory exec shop - web - 1 test - e / data / file compose up - d - y run - 1 dory exec shop - web -
            1 test - e / data / file["$(dory volume inspect -f '{{.Labels.state}}' shop_data)" = two] compose down -
            v sed - i 's/{labels: {state: two}}/{external: true}/' "$PROJECT/compose.yaml" run - 1 compose up -
            d[["$output" == *'external volume "data" not found']]
}

@test "images are built and pulled when they are missing, with --build always, and removed by down --rmi"
{
    mkdir "$PROJECT/app" printf 'FROM busybox\nRUN echo 1 >/built\nCMD ["sleep", "1000"]\n' >
        "$PROJECT/app/Dockerfile" file << 'YAML' services : app:
    {
    build:
        ./ app, stop_grace_period : 0s
    }
    inline
        : {build : {dockerfile_inline : "FROM busybox\nCMD sleep 1000"}, stop_grace_period : 0s} YAML run -
          0 compose up -
          d[["$output" == *" app  Built" * ]]["$(dory exec shop-app-1 cat /built)" = 1]
           ["$(dory image inspect -f '{{index .Config.Labels " com.docker.compose.service "}}' shop-app)" = app] sed -
          i 's/echo 1/echo 2/' "$PROJECT/app/Dockerfile" run - 0 compose up - d[["$output" != *Built * ]] compose up -
          d-- build["$(dory exec shop-app-1 cat /built)" = 2] run - 0 compose down-- rmi local -
          v[["$output" == *"Image shop-app:latest  Removed" * ]] run - 1 compose up - d-- no -
          build[["$output" == *"No such image: shop-app" * ]]
}

@test "create makes and starts nothing; rm asks, removes what is stopped, and with -s stops it before"
{
    two_services compose create["$(state_of shop-web-1)" = created] compose up - d-- no -
            start["$(state_of shop-web-1)" = created] compose up - d run - 0 compose rm -
            f[["$output" == *"No stopped containers" * ]] compose stop web run - 0 compose rm < < <
        n["$(state_of shop-web-1)" = exited] run - 0 compose rm < < <
        y[["$output" == *"Going to remove shop-web-1" * ]][["$output" == *"Container shop-web-1  Removed" * ]] run -
            0 compose rm - sf db[-z "$(dory ps -aq)"]
}

@test "pause, unpause, kill and restart, without a file by -p"
{
    two_services compose up - d rm "$PROJECT/compose.yaml" run - 0 compose -
        p shop pause web["$output" = " Container shop-web-1  Paused"]["$(state_of shop-web-1)" = paused] compose -
        p shop unpause["$(state_of shop-web-1)" = running] compose - p shop kill -
        s KILL db["$(state_of shop-db-1)" = exited] compose - p shop restart -
        t 0 ["$(state_of shop-db-1)" = running] run - 0 compose -
        p shop stop["${lines[0]}" = " Container shop-web-1  Stopping"]
                   ["${lines[3]}" = " Container shop-db-1  Stopped"] run -
        0 compose - p shop down -
        v[-z "$(dory ps -aq)$(dory volume ls -q)$(dory network ls -q --filter label=com.docker.compose.project=shop)"]
}

@test "--dry-run tells what would be done and does nothing"
{
    two_services run - 0 compose-- dry - run up -
        d["${lines[0]}" = " DRY-RUN MODE -  Network shop_default  Creating"]
         ["${lines[-1]}" = " DRY-RUN MODE -  Container shop-web-1  Started"]
         [-z "$(dory ps -aq)$(dory volume ls -q)"] compose up -
        d compose-- dry - run down - v["$(dory ps -q | wc -l)" = 2]
}

@test "--progress json and quiet"
{
    two_services run - 0 compose-- progress json up -
        d["${lines[0]}" = '{"id":"Network shop_default","status":"Creating"}'] run - 0 compose-- progress quiet down -
        v[-z "$output"]
}
