# shellcheck shell=bash
# The floor under the scripts: sourced, never run. Speaks on stderr, changes no folder, and asks for root only to install.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@" && exit 1; }

# ready FOLDER NAME FILE...: FOLDER was last made for exactly these files, this place and this interpreter.
ready() {
  local stamp=$1/.ready-$2
  state=$(cat "${@:3}" | sha256sum)${root}$(readlink -f "$1/bin/python")
  [[ -x $1/bin/python && -f $stamp && $(<"$stamp") == "$state" ]]
}

# alone COMMAND...: two scripts at once make one environment, not two halves.
alone() {
  (
    flock 9
    "$@"
  ) 9<"$root"
}

# daemon_environment NAME EXTRA [UV OPTION...]: .venv holds the daemon with its pinned dependencies, and those of an extra.
daemon_environment() {
  ready "$root/.venv" "$1" "$root/pyproject.toml" "$root/constraints.txt" || alone install_daemon "$@"
}

install_daemon() {
  local venv=$root/.venv pins=$root/constraints.txt
  usable_venv "$venv" || make_venv "$venv"
  find_uv
  say "Installing the daemon into .venv${2:+, with $2 (several gigabytes)}"
  "$uv" pip install --quiet --python "$venv/bin/python" --constraint "$pins" \
    --build-constraint "$pins" --editable "$root${2:+[$2]}" "${@:3}"
  ready "$venv" "$1" "$root/pyproject.toml" "$pins" || printf '%s' "$state" >"$venv/.ready-$1"
}

# A virtual environment breaks when its interpreter is upgraded or the repository is moved.
usable_venv() {
  grep -qsF "$1" "$1/bin/activate" &&
    "$1/bin/python" -c 'import os, site; assert os.path.isdir(site.getsitepackages()[0])' 2>/dev/null
}

make_venv() {
  local python
  for python in python3 python3.14 python3.13 python3.12 python3.11 none; do
    "$python" -c 'import sys, venv; assert sys.version_info >= (3, 11)' 2>/dev/null && break
  done
  [[ $python != none ]] || fail "Python 3.11 or newer is needed: please install it (apt install python3) and run this again."
  [[ ! -L $1 ]] || rm "$1" # what it leads to is somebody else's
  say "Making .venv with $("$python" --version)"
  "$python" -m venv --without-pip --clear "$1"
}

# find_uv: leaves the path of uv in $uv; where there is none, pip puts one into .venv.
find_uv() {
  local venv=$root/.venv
  uv=$(command -v uv) || uv=$venv/bin/uv
  [[ -x $uv ]] || {
    usable_venv "$venv" || make_venv "$venv"
    install_uv "$venv/bin/python"
  }
  # uv does not read pip's settings: a house with an index of its own has told only pip.
  local index=${PIP_INDEX_URL:-$(sed -n 's/^index-url[ =]*//p' /etc/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf 2>/dev/null)}
  [[ -z $index ]] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-$index}}"
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
}

install_uv() {
  local python=$1 base pip wheel
  base=$("$python" -c 'import sys; print(sys._base_executable)')
  if "$base" -c 'import pip' 2>/dev/null; then
    pip=("$base" -m pip --python "$python")
  elif "$base" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m ensurepip >/dev/null
    pip=("$python" -m pip)
  else
    borrow_pip "$root/.venv/borrowed"
    wheel=$(echo "$root"/.venv/borrowed/usr/share/python-wheels/pip-*.whl)
    pip=(env PYTHONPATH="$wheel" "$python" -m pip)
  fi
  say "Installing uv"
  "${pip[@]}" --quiet --disable-pip-version-check install --constraint "$root/constraints.txt" uv ||
    fail "uv could not be installed: is this machine online? Please run this again when it is."
}

# borrow_pip FOLDER: the distribution's own pip, unpacked there: no root, nothing installed.
borrow_pip() {
  say "Fetching pip from this system's packages"
  rm -rf "$1" && mkdir "$1"
  (
    cd "$1"
    apt-get -qq download python3-pip-whl 2>/dev/null || {
      private_apt "$1"
      apt-get -qq update && apt-get -qq download python3-pip-whl
    } && dpkg -x python3-pip-whl_*.deb .
  ) || fail "Python's pip is missing: please install it (apt install python3-venv) and run this again."
}

# private_apt FOLDER: from here on apt keeps its lists and files in FOLDER, needs no root and takes this system for empty.
private_apt() {
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
  : >"$1/status"
  cat >"$1/apt.conf" <<END
Dir::State "$1";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
  export APT_CONFIG=$1/apt.conf
}

# test_environment GROUP...: .venv, with the whole engine and these groups of pyproject's. For some Pythons one package is built here.
test_environment() {
  local group options=()
  for group in "$@"; do options+=(--group "$root/pyproject.toml:$group"); done
  system_packages c++=g++ python3-config=python3-dev
  daemon_environment "$*" indextts,emotion "${options[@]}"
}

# home_assistant_environment: .venv-ha, for the integration's tests; two of its packages are built here.
home_assistant_environment() {
  system_packages c++=g++ ffmpeg=ffmpeg
  locked_environment .venv-ha constraints-ha.txt
}

# locked_environment FOLDER LOCK: FOLDER holds Python 3.14 and exactly what LOCK lists.
locked_environment() {
  ready "$root/$1" lock "$root/$2" || alone install_lock "$@"
}

install_lock() {
  local venv=$root/$1 lock=$root/$2 python
  ! ready "$venv" lock "$lock" || return 0 # another script was faster
  python=$("$root/scripts/python314")
  find_uv
  say "Installing $2 into $1"
  "$uv" venv --quiet --clear --no-python-downloads --python "$python" "$venv"
  "$uv" pip sync --quiet --python "$venv/bin/python" "$lock"
  ready "$venv" lock "$lock" || printf '%s' "$state" >"$venv/.ready-lock"
}

# system_packages COMMAND=PACKAGES...: each command is there, by apt where it is missing and root can be had.
system_packages() {
  local wish missing=() sudo=()
  for wish in "$@"; do
    command -v "${wish%%=*}" >/dev/null || read -ra missing <<<"${missing[*]} ${wish#*=}"
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || sudo=(sudo -n)
  { command -v apt-get && "${sudo[@]}" true; } &>/dev/null ||
    fail "Some tools are missing: please install them (apt install ${missing[*]}) and run this again."
  say "Installing ${missing[*]}"
  local install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends "${missing[@]}")
  "${install[@]}" &>/dev/null || { "${sudo[@]}" apt-get -qq update && "${install[@]}" >/dev/null; } ||
    fail "They could not be installed: please install ${missing[*]} and run this again."
}
