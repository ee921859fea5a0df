# Images of several platforms.

# Sets OWN to this machine's architecture.
own_platform() {
    case $(uname -m) in
    x86_64) OWN=amd64 ;;
    aarch64) OWN=arm64 ;;
    *) OWN=$(uname -m) ;;
    esac
    export OWN
}

put() { # images, as tests/lib/registry_images.py has them
    /usr/bin/python3 "$ENV_SOURCE/tests/lib/registry_images.py" "$REGISTRY" "$@"
}

api() { # path, arguments of curl
    local path=$1
    shift
    curl -s --unix-socket "$ENV_DIR/dory.sock" "$@" "http://d$path"
}

id() { # name, platform
    dory image inspect ${2:+--platform "$2"} -f '{{.Id}}' "$1"
}

platform_of() { # name, platform: the platform that the image's file names
    local c
    c=$(dory create --pull never ${2:+--platform "$2"} "$1")
    dory cp "$c:/platform" - | tar -xO
    dory rm "$c" >/dev/null
}
