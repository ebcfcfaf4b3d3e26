# Sourced by the scripts here: makes .venv with Python 3.11 or newer and installs livestack with the extras wanted.
# Installs again only when setup.cfg or the extras changed.

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
python="$root/.venv/bin/python"

say() { printf '%s\n' "$*" >&2; }

is_usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# A name on the PATH may be a shim for a version that is not there: only what starts counts.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python3; do
        if [ -n "$candidate" ] && is_usable "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer with venv was not found; install it, or name one: PYTHON=/path/to/python3 $0"
    exit 2
}

# install EXTRA...: the environment with livestack and at least these extras in it.
install() {
    local stamp="$root/.venv/livestack-installed" extra wanted
    for extra in $(cat "$stamp.extras" 2>/dev/null || true); do
        set -- "$@" "$extra"
    done
    wanted=$(printf '%s\n' "$@" | sort -u | paste -sd, -)
    if ! is_usable "$python"; then
        local found
        found=$(find_python)
        say "making .venv with $("$found" --version)"
        rm -rf "$root/.venv"
        "$found" -m venv "$root/.venv"
    fi
    if [ "$(cat "$stamp" 2>/dev/null || true)" != "$(fingerprint "$wanted")" ]; then
        say "installing livestack${wanted:+ with $wanted}; a minute or two the first time"
        "$python" -m pip install -qq --disable-pip-version-check --editable "$root${wanted:+[$wanted]}" >&2
        printf '%s\n' "$wanted" | tr ',' '\n' >"$stamp.extras"
        fingerprint "$wanted" >"$stamp"
    fi
}

fingerprint() { { cat "$root/setup.cfg" "$root/pyproject.toml"; printf '%s\n' "$root" "$1"; } | cksum; }

# other_interpreters: .venv-3.12 and .venv-3.13 with what livestack needs and this folder, where such an interpreter
# starts, so that a session can be replayed by each of them.
other_interpreters() {
    local version candidate found venv stamp
    for version in 3.12 3.13; do
        found=
        for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version"*/bin/"python$version"; do
            if is_usable "$candidate"; then found=$candidate; break; fi
        done
        if [ -z "$found" ]; then say "no Python $version starts here: replay is not compared with it"; continue; fi
        venv="$root/.venv-$version"
        stamp="$venv/livestack-installed"
        if [ "$(cat "$stamp" 2>/dev/null || true)" != "$(fingerprint "$version")" ]; then
            say "making .venv-$version for replay"
            rm -rf "$venv"
            "$found" -m venv "$venv"
            # Not --editable: another one may be installed from this folder meanwhile.
            requirements | "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r /dev/stdin >&2
            "$venv/bin/python" -c 'import site, sys; print(sys.argv[1], file=open(site.getsitepackages()[0] + "/livestack.pth", "w"))' "$root"
            fingerprint "$version" >"$stamp"
        fi
    done
}

requirements() { sed -n '/^install_requires *=/,/^$/s/^    //p' "$root/setup.cfg"; }

# outside_world: the real StatsD (.venv/statsd) and a real Graphite carbon (.venv/graphite) that a test sends metrics to.
# Both are older than what runs them; neither ever becomes part of livestack's own environment.
outside_world() {
    local stamp="$root/.venv/outside-installed" wanted
    if ! command -v node >/dev/null; then say "no Node.js here: metrics are not sent to a real StatsD"; return; fi
    wanted=$({ cat "$root/scripts/venv.sh" "$root/scripts/old_names.py"; node --version; "$python" --version; } | cksum)
    if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then return; fi
    if ! command -v npm >/dev/null; then
        say "Node.js is here without npm, which installs StatsD: install npm (tests/live/test_statsd.py needs it)"
        exit 2
    fi
    say "installing StatsD and Graphite for a test"
    rm -rf "$root/.venv/statsd" "$root/.venv/graphite"
    mkdir "$root/.venv/statsd"
    printf '{"private": true}\n' >"$root/.venv/statsd/package.json"
    # Without what is optional and compiled, and without a lock file.
    if ! npm install --prefix "$root/.venv/statsd" --no-package-lock --omit=optional --ignore-scripts --no-audit \
        --no-fund --loglevel=error statsd@0.9 >&2; then
        say "npm could not install statsd; without a network put it into .venv/statsd/node_modules"
        exit 2
    fi
    "$python" -m venv "$root/.venv/graphite"
    local site
    site=$("$root/.venv/graphite/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp "$root/scripts/old_names.py" "$site/"
    printf 'import old_names\n' >"$site/old_names.pth"
    local pip=("$root/.venv/graphite/bin/python" -m pip install -qq --disable-pip-version-check)
    "${pip[@]}" 'setuptools<81' wheel >&2
    GRAPHITE_NO_PREFIX=True "${pip[@]}" --no-build-isolation 'carbon==1.1.10' 'whisper==1.1.10' >&2
    printf '%s\n' "$wanted" >"$stamp"
}
