# The voting app of examples/voting-app in the environment's daemon.

VOTING=$ENV_SOURCE/examples/voting-app

# Its five images: built once, then kept in DORY_CACHE for as long as their sources are the same.
voting_images() {
    local version tar
    version=$(cd "$ENV_SOURCE/examples" && find build-redis voting-app/*/ -type f -exec sha256sum {} + | sort -k 2 | sha256sum | cut -c1-12)
    tar=$DORY_CACHE/voting-app-$version.tar
    if [ ! -s "$tar" ]; then
        env_images debian
        DORY=$ENV_CLI "$VOTING/build" || return 1
        rm -f "$DORY_CACHE"/voting-app-*.tar
        dory save -o "$tar.new.$$" voting-app-{redis,db,vote,worker,result}
        mv "$tar.new.$$" "$tar"
    else
        dory load -q -i "$tar" >/dev/null
    fi
}

# Sets VOTE_PORT and RESULT_PORT where they are not given: 5000 and 5001, or others where somebody has those.
voting_ports() {
    VOTE_PORT=${VOTE_PORT:-$(voting_free 5000)}
    RESULT_PORT=${RESULT_PORT:-$(voting_free 5001)}
    export VOTE_PORT RESULT_PORT
}

voting_free() {
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
        free_port
    else
        echo "$1"
    fi
}
