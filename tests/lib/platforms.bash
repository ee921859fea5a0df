# Images of several platforms.

# Sets OWN to this machine's architecture, OTHER to one that it is not, and BOTH to the platforms of the two.
own_platform() {
    case $(uname -m) in
    x86_64) OWN=amd64 OTHER=arm64 ;;
    aarch64) OWN=arm64 OTHER=amd64 ;;
    *) OWN=$(uname -m) OTHER=amd64 ;;
    esac
    export OWN OTHER BOTH=linux/$OWN,linux/$OTHER
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
