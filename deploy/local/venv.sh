#!/bin/sh
# Makes the virtual environment (once) and installs one requirement file into it, when that file changed since the last time.
#   venv.sh VENV REQUIREMENTS.txt
set -eu
venv=$1
requirements=$2
stamp=$venv/${requirements%.txt}.done

fail() {
    echo "$1" >&2
    exit 1
}

# The first Python of a fitting version that can run this: the version alone, or a module it needs.
find_python() {
    for python in python3.13 python3.12 python3.11 python3; do
        if "$python" -c "import sys; assert (3, 11) <= sys.version_info < (3, 14); $1" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

make_venv() {
    python=$(find_python 'import ensurepip, venv')
    if [ -z "$python" ]; then
        python=$(find_python '')
        [ -n "$python" ] || fail "Python 3.11, 3.12 or 3.13 is needed. On Debian or Ubuntu: sudo apt install python3 python3-venv"
        fail "Python's venv module is missing. On Debian or Ubuntu: sudo apt install $python-venv"
    fi
    echo "making a virtual environment with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

# The interpreter is asked too: it may have been removed or upgraded under the environment.
"$venv/bin/python" -c 'import pip' 2>/dev/null || make_venv

checksum=$(cksum <"$requirements")
[ "$(cat "$stamp" 2>/dev/null)" = "$checksum" ] && exit 0
echo "installing $requirements"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$requirements"
echo "$checksum" >"$stamp"
