# shellcheck shell=bash
# What every script under tests/ shares. To be sourced, not run:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"
#
# It sets ROOT, a fresh WORK folder under target/tests/, and BIN; it stops at the end, by process id, whatever
# `background` started. A test prints `ok - what holds` or `not ok - what does not`, and leaves by `finish`.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STEP=$(basename "$0")
[[ ${STEP} != run ]] || STEP=$(basename "$(cd "$(dirname "$0")" && pwd)")
WORK=${ROOT}/target/tests/${STEP}
CACHE=${ROOT}/target/tests/.cache
PATH=${PATH}:/usr/sbin:/sbin
# Everything here talks to loopback; a proxy that the environment names is for other traffic.
export NO_PROXY='*' no_proxy='*'
export ROOT WORK CACHE PATH
# Python steps report through tests/checks.py, and leave no compiled files in the sources.
export PYTHONPATH=${ROOT}/tests PYTHONDONTWRITEBYTECODE=1

rm -rf "${WORK}"
mkdir -p "${WORK}" "${CACHE}"

say() { printf '%s\n' "$*"; }
die() {
  printf 'cannot go on: %s\n' "$*" >&2
  exit 1
}

# --- what must be there -------------------------------------------------------------------------------------------------

# need COMMAND PACKAGE...: makes sure that COMMAND exists, from Debian's packages if it does not.
need() {
  local command=$1
  shift
  command -v "${command}" >/dev/null && return 0
  install_debian "$@"
  command -v "${command}" >/dev/null || die "$* is installed, and there is still no ${command}"
}

# install_debian PACKAGE...: installs them, or says what somebody else has to install.
install_debian() {
  local missing="missing: apt-get install $*" log=${WORK}/apt.log as_root=()
  command -v apt-get >/dev/null || die "${missing}"
  if [[ ${EUID} -ne 0 ]]; then
    sudo -n true 2>/dev/null || die "${missing} (neither root nor passwordless sudo is at hand to do it)"
    as_root=(sudo -n)
  fi
  say "installing $*"
  # A freshly installed server would be started on its usual port; the tests start their own, on ports of their own.
  local policy=/usr/sbin/policy-rc.d ours=
  if [[ ! -e ${policy} ]]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "${policy}" >/dev/null
    "${as_root[@]}" chmod 755 "${policy}"
  fi
  local code=0
  "${as_root[@]}" apt-get update -qq >"${log}" 2>&1 || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" \
    >>"${log}" 2>&1 || code=$?
  [[ -z ${ours} ]] || "${as_root[@]}" rm -f "${policy}"
  ((code == 0)) || die "${missing} (it failed; see ${log})"
}

# python_with FILE: sets PYTHON to an interpreter that has what the requirements FILE pins.
python_with() {
  need python3 python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_debian python3-venv
  local home
  home=${CACHE}/python-$(sha256sum "$1" | cut -c1-16)
  PYTHON=${home}/bin/python
  if [[ ! -e ${home}/complete ]]; then
    rm -rf "${home}"
    {
      python3 -m venv "${home}" &&
        "${PYTHON}" -m pip install --quiet --disable-pip-version-check --requirement "$1"
    } >"${WORK}/pip.log" 2>&1 || die "the packages of $1 could not be installed; see ${WORK}/pip.log"
    touch "${home}/complete"
  fi
  export PYTHON
}

# npm_packages FOLDER: installs what FOLDER's package-lock.json pins, and sets NPM_HOME to where it went, so that no
# node_modules lies about in the sources. A script there says: createRequire(`${process.env.NPM_HOME}/`)('name').
npm_packages() {
  need npm npm
  NPM_HOME=${CACHE}/npm-$(sha256sum "$1/package-lock.json" | cut -c1-16)
  if [[ ! -e ${NPM_HOME}/complete ]]; then
    rm -rf "${NPM_HOME}"
    mkdir -p "${NPM_HOME}"
    cp "$1/package.json" "$1/package-lock.json" "${NPM_HOME}/"
    (cd "${NPM_HOME}" && npm ci --ignore-scripts --no-audit --no-fund) >"${WORK}/npm.log" 2>&1 ||
      die "the packages of $1 could not be installed; see ${WORK}/npm.log"
    touch "${NPM_HOME}/complete"
  fi
  export NPM_HOME
}

# The binary under test, as BIN: the one that is handed in as COUNTERSIGN_BIN, or a development build. The long name is taken out
# of the environment, because the binary reads what begins with its name as settings, and knows no such setting.
countersign_bin() {
  BIN=${COUNTERSIGN_BIN:-}
  unset COUNTERSIGN_BIN
  if [[ -z ${BIN} ]]; then
    (cd "${ROOT}" && cargo build --quiet --locked --bin countersign)
    BIN=${CARGO_TARGET_DIR:-${ROOT}/target}/debug/countersign
  fi
  [[ -x ${BIN} ]] || die "${BIN} is not there to be tested"
  export BIN
}

# --- processes ----------------------------------------------------------------------------------------------------------

STARTED=()

# background NAME COMMAND...: starts COMMAND with its output in WORK/NAME.log, and sets STARTED_PID.
background() {
  local name=$1
  shift
  "$@" >"${WORK}/${name}.log" 2>&1 &
  STARTED_PID=$!
  STARTED+=("${STARTED_PID}")
}

# stop PID...: asks, waits ten seconds, then insists.
stop() {
  local pid
  for pid in "$@"; do
    kill -TERM "${pid}" 2>/dev/null || true
    for _ in {1..100}; do
      kill -0 "${pid}" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "${pid}" 2>/dev/null || true
    wait "${pid}" 2>/dev/null || true
  done
}

# Functions to be called at the end, whatever happens.
AT_EXIT=()
at_exit() {
  local code=$? last
  trap - EXIT
  for last in "${AT_EXIT[@]}"; do "${last}" || true; done
  if ((${#STARTED[@]})); then stop "${STARTED[@]}"; fi
  exit "${code}"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# free_port: prints a loopback port that nobody listens on.
free_port() {
  need python3 python3 >&2
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until_true SECONDS COMMAND...: repeats COMMAND until it succeeds; fails when it has not in time.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}

# ready ADMIN: waits until the service whose operations listener is ADMIN says that it is ready.
ready() {
  until_true 30 "${BIN}" health --admin "$1" || die "countersign did not become ready; see ${WORK}"
}

# --- results ------------------------------------------------------------------------------------------------------------

PASSED=0
FAILED=0

# check SENTENCE COMMAND...: whether COMMAND succeeds, under the name of what that shows; what it printed, if it does not.
check() {
  local sentence=$1
  shift
  if "$@" >"${WORK}/check.log" 2>&1; then
    PASSED=$((PASSED + 1))
    say "ok - ${sentence}"
  else
    FAILED=$((FAILED + 1))
    say "not ok - ${sentence}"
    tail -n 20 "${WORK}/check.log" | sed 's/^/    /'
  fi
}

# run_checks COMMAND...: runs a program that prints `ok - ` and `not ok - ` lines itself, and counts them.
run_checks() {
  local code=0
  "$@" 2>&1 | tee "${WORK}/output.log" || code=$?
  local passed failed
  passed=$(grep -c '^ok ' "${WORK}/output.log" || true)
  failed=$(grep -c '^not ok ' "${WORK}/output.log" || true)
  if ((code != 0 && failed == 0)); then
    failed=1
    say "not ok - $1 ended with ${code}"
  elif ((code == 0 && passed + failed == 0)); then
    failed=1
    say "not ok - $1 checked nothing"
  fi
  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + failed))
}

# finish: the closing line, and the exit code that goes with it.
finish() {
  say "${PASSED} passed, ${FAILED} failed"
  exit $((FAILED > 0 || PASSED == 0))
}
