# Clients that are no packages of this Debian release: npm's, and those of Debian's next one. Both are kept in DORY_CACHE.

# Installs what tests/clients/node/package.json names; sets NODE_PATH.
clients_node() {
    local here=$ENV_SOURCE/tests/clients/node version
    version=$(sha256sum "$here/package.json" | cut -c1-12)
    export NODE_PATH=$DORY_CACHE/node-$version/node_modules
    [ ! -d "$NODE_PATH" ] || return 0
    mkdir -p "$DORY_CACHE"
    local fresh
    fresh=$(mktemp -d "$DORY_CACHE/node.XXXXXX")
    cp "$here/package.json" "$fresh/"
    (cd "$fresh" && npm install --no-audit --no-fund --ignore-scripts --no-package-lock) >"$fresh/log" 2>&1 || {
        cat "$fresh/log" >&2
        rm -rf "$fresh"
        return 1
    }
    mv -T "$fresh" "$DORY_CACHE/node-$version" 2>/dev/null || rm -rf "$fresh"
}

# Unpacks packages of Debian's testing suite, from the mirror that apt uses, beneath a directory that is there afterwards:
# nothing is installed.
clients_unpack() { # directory, packages
    local root=$1 fresh options
    shift
    mkdir -p "$DORY_CACHE"
    fresh=$(mktemp -d "$DORY_CACHE/newer.XXXXXX")
    chmod 755 "$fresh"
    mkdir -p "$fresh"/apt/{lists,cache/archives}/partial "$fresh/root"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(apt_mirror) testing main" >"$fresh/apt/sources"
    options=(-o "Dir::Etc::sourcelist=$fresh/apt/sources" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$fresh/apt/lists"
        -o "Dir::Cache=$fresh/apt/cache" -o APT::Sandbox::User=root)
    (cd "$fresh" && apt-get "${options[@]}" update && apt-get "${options[@]}" download "$@" &&
        for package in *.deb; do dpkg -x "$package" root; done) >"$fresh/log" 2>&1 || {
        tail -5 "$fresh/log" >&2
        rm -rf "$fresh"
        return 1
    }
    mv -T "$fresh/root" "$root" 2>/dev/null || true
    rm -rf "$fresh"
}

# The docker CLI, Compose and buildx, which start on this release. Sets NEWER to their root.
clients_newer() {
    export NEWER=$DORY_CACHE/newer
    [ -x "$NEWER/usr/bin/docker" ] || clients_unpack "$NEWER" docker-cli docker-compose docker-buildx
}

# dockerd with its containerd and init; its runc does not start here, this release's serves. Sets NEWER_ENGINE.
clients_newer_engine() {
    export NEWER_ENGINE=$DORY_CACHE/newer-engine
    [ -x "$NEWER_ENGINE/usr/sbin/dockerd" ] || clients_unpack "$NEWER_ENGINE" docker.io containerd tini
}

# The newer docker with its plugins.
newer_docker() {
    mkdir -p "$DOCKER_CONFIG/cli-plugins"
    ln -sf "$NEWER"/usr/libexec/docker/cli-plugins/* "$DOCKER_CONFIG/cli-plugins/"
    "$NEWER/usr/bin/docker" "$@"
}
