#!/usr/bin/env bash
# Makes this checkout ready to run, on Debian or Ubuntu, without ROS installed: system packages,
# .venv/ from requirements.lock, and the colcon workspace build/ install/ log/.
#
# Calling it again does only what is missing: each step leaves a stamp that names its inputs. An
# interrupted call is resumed by the next one. On a machine with ROS 2 Jazzy, `rosdep install` and
# `colcon build` do the same without this script.
#
#   MTOPT_PYTHON=/path/to/python3.12 scripts/setup.sh     use this Python for .venv
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
venv="$root/.venv"
stamps="$root/build/.setup"
venv_stamp="$venv/.setup_stamp"
started=$SECONDS

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# One set-up at a time in a checkout; a second call waits.
exec 9<"$root/scripts/setup.sh"
if command -v flock >/dev/null; then
    flock -n 9 || { say "waiting for another set-up of this checkout"; flock 9; }
fi

# Nothing of a sourced ROS or another environment leaks in.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH \
    COLCON_PREFIX_PATH ROS_DISTRO

# --- system packages ------------------------------------------------------------------------

REQUIRED_PACKAGES=(cmake g++ make libegl1 libgl1-mesa-dri libosmesa6)
# For tests only: each line's packages, and what is not tested without them.
OPTIONAL_PACKAGES=(
    "ignition-tools libsdformat-dev sdformat-sdf: world files by Gazebo's parser"
    "chromium: the report in a browser"
)

# Prints those of its arguments that dpkg does not have installed.
missing_packages() {
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Abbrev}|${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^ii *|//p' | sort -u) || true
    printf '%s\n' "$@" | sort -u | comm -23 - <(printf '%s\n' "$installed")
}

# Prints the command's prefix that may install system packages; fails where nothing may.
permitted() {
    if [ "$(id -u)" = 0 ]; then
        echo "env"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        echo "sudo -n env"
    else
        return 1
    fi
}

apt_updated=no
# Installs system packages, or fails with one line that names them.
install_packages() {
    local prefix log="$stamps/apt.log"
    prefix=$(permitted) ||
        fail "missing system packages; install them and call again: apt-get install $*"
    mkdir -p "$stamps"
    say "installing system packages: $*"
    if [ "$apt_updated" = no ]; then
        $prefix apt-get update -q >"$log" 2>&1 || say "apt-get update failed; going on without it"
        apt_updated=yes
    fi
    $prefix DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" \
        >>"$log" 2>&1 9<&- || {
        tail -n 5 "$log" >&2
        return 1
    }
}

system_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        local tool
        for tool in cmake c++ make; do
            command -v "$tool" >/dev/null ||
                fail "missing command '$tool'; this machine has no apt, install it by hand"
        done
        return
    fi
    local missing
    mapfile -t missing < <(missing_packages "${REQUIRED_PACKAGES[@]}")
    if [ "${#missing[@]}" -gt 0 ]; then
        install_packages "${missing[@]}" || fail "could not install: ${missing[*]}"
    fi
    [ ! -e "$stamps/optional" ] || return 0
    local line
    for line in "${OPTIONAL_PACKAGES[@]}"; do
        # shellcheck disable=SC2086 # several packages a line
        mapfile -t missing < <(missing_packages ${line%%:*})
        [ "${#missing[@]}" -gt 0 ] || continue
        if ! permitted >/dev/null; then
            say "not installed: ${missing[*]}; not tested without:${line#*:}"
        elif ! install_packages "${missing[@]}"; then
            say "this system does not offer ${missing[*]}; not tested without:${line#*:}"
        fi
    done
    mkdir -p "$stamps" && touch "$stamps/optional"
}

# --- Python environment ---------------------------------------------------------------------

SUPPORTED='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))'
COMPLETE='import ensurepip, os, sys, sysconfig, venv
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))'

# Prints a Python 3.10 to 3.13; fails where there is none.
find_python() {
    local name
    for name in ${MTOPT_PYTHON:-python3 python3.12 python3.11 python3.13 python3.10}; do
        if "$name" -c "$SUPPORTED" 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# Makes $venv from a suitable Python, with pip in it, where it is not there yet.
create_venv() {
    local python version
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.root" 2>/dev/null)" = "$root" ] &&
        "$venv/bin/python" -c "$SUPPORTED" 2>/dev/null &&
        "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    if ! python=$(find_python); then
        [ -z "${MTOPT_PYTHON:-}" ] || fail "MTOPT_PYTHON=$MTOPT_PYTHON is not a Python 3.10 to 3.13"
        command -v python3 >/dev/null &&
            fail "needs Python 3.10 to 3.13, got $(python3 --version 2>&1); install one or set MTOPT_PYTHON"
        install_packages python3 python3-venv python3-dev || fail "could not install Python"
        python=$(find_python) || fail "needs Python 3.10 to 3.13, got $(python3 --version 2>&1)"
    fi
    if ! "$python" -c "$COMPLETE" 2>/dev/null; then
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        install_packages "$version-venv" "$version-dev" || true
        "$python" -c "$COMPLETE" 2>/dev/null ||
            fail "$python lacks its venv module or its headers; install $version-venv $version-dev"
    fi
    say "making .venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    echo "$root" >"$venv/.root"
}

# Names everything that the environment depends on.
venv_key() {
    { echo "$root"; cat requirements.lock scripts/relocate_wheels.py; } | sha256sum | cut -d' ' -f1
}

python_environment() {
    local key log
    key=$(venv_key)
    if [ "$(cat "$venv_stamp" 2>/dev/null)" = "$key" ] && [ -x "$venv/bin/python" ]; then
        return
    fi
    create_venv
    say "installing the Python packages of requirements.lock (a few minutes the first time)"
    mkdir -p "$stamps"
    log="$stamps/pip.log"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        -r requirements.lock >"$log" 2>&1 9<&- || {
        tail -n 15 "$log" >&2
        fail "pip could not install requirements.lock; all of its output: ${log#"$root"/}"
    }
    "$venv/bin/python" scripts/relocate_wheels.py
    echo "$key" >"$venv_stamp.partial"
    mv "$venv_stamp.partial" "$venv_stamp"
}

# --- colcon workspace -----------------------------------------------------------------------

# Names everything that building package $1 depends on. Python sources are not among it: the
# workspace links to them.
package_key() {
    local folder="src/$1"
    {
        cat "$venv_stamp"
        case $1 in
            mtopt_msgs) find "$folder" -type f ! -name '*.md' ;;
            *) find "$folder" -maxdepth 2 -type f \
                \( -path "$folder/resource/*" -o -path "$folder/bin/*" -o -name package.xml \
                -o -name 'setup.*' -o -name CMakeLists.txt \) ;;
        esac | LC_ALL=C sort | xargs sha256sum
    } | sha256sum | cut -d' ' -f1
}

colcon_build() {
    (
        # shellcheck source=scripts/env.sh
        . scripts/env.sh
        python -m colcon --log-level error build --merge-install --symlink-install \
            --base-paths src --packages-select "$@" \
            --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python"
    ) >"$stamps/colcon.log" 2>&1 9<&-
}

workspace() {
    local package stale=() keys=() i
    if [ "$(cat "$stamps/root" 2>/dev/null)" != "$root" ]; then
        # A checkout that was moved or copied: CMake's caches hold the old place.
        rm -rf install log
        [ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name .setup -exec rm -rf {} +
        mkdir -p "$stamps" && rm -f "$stamps"/*.built
        echo "$root" >"$stamps/root"
    fi
    for package in $(ls src); do
        [ -f "src/$package/package.xml" ] || continue
        local key
        key=$(package_key "$package")
        if [ "$(cat "$stamps/$package.built" 2>/dev/null)" != "$key" ] ||
            [ ! -f "install/share/$package/package.xml" ]; then
            stale+=("$package")
            keys+=("$key")
        fi
    done
    [ "${#stale[@]}" -gt 0 ] || return 0
    say "building ${stale[*]} (about a minute the first time)"
    if ! colcon_build "${stale[@]}"; then
        # What an interrupted build left may not be fit to go on from.
        for package in "${stale[@]}"; do rm -rf "build/$package"; done
        if ! colcon_build "${stale[@]}"; then
            tail -n 30 "$stamps/colcon.log" >&2
            fail "the workspace does not build; all of its output: ${stamps#"$root"/}/colcon.log"
        fi
    fi
    for i in "${!stale[@]}"; do
        echo "${keys[$i]}" >"$stamps/${stale[$i]}.built"
    done
}

system_packages
python_environment
workspace
say "ready ($((SECONDS - started)) s)"
