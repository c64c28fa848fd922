# shellcheck shell=bash
# Debian's Redis and PostgreSQL on free loopback ports, stopped at the end. To be sourced after lib.sh.

# start_redis: sets REDIS_URL. It keeps nothing on disk.
start_redis() {
  need redis-server redis-server
  local port
  port=$(free_port)
  background redis redis-server --port "${port}" --bind 127.0.0.1 --save '' --dir "${WORK}"
  until_true 10 redis-cli -p "${port}" ping || die "Redis did not start; see ${WORK}/redis.log"
  export REDIS_URL=redis://127.0.0.1:${port}
}

pg_bin() { compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' | sort -V | tail -n 1 | xargs -r dirname; }

stop_postgres() {
  ${PG_CTL} -m immediate stop >/dev/null 2>&1 || true
  rm -rf "${PG_HOME}"
}

# start_postgres: sets POSTGRES_URL, and PG_CTL, which stops and starts it. PG_OPTIONS are further options of the server.
start_postgres() {
  [[ -n $(pg_bin) ]] || install_debian postgresql
  local pg port as_postgres=()
  pg=$(pg_bin)
  [[ -n ${pg} ]] || die "postgresql is installed, and there is still no pg_ctl"
  # PostgreSQL refuses to run as root, and its user need not be able to reach the sources.
  PG_HOME=$(mktemp -d /tmp/countersign-postgres.XXXXXX)
  if [[ ${EUID} -eq 0 ]]; then
    chown postgres "${PG_HOME}"
    as_postgres=(runuser -u postgres --)
  fi
  PG_CTL="${as_postgres[*]} ${pg}/pg_ctl -D ${PG_HOME}/data -w -l ${PG_HOME}/log"
  AT_EXIT+=(stop_postgres)
  port=$(free_port)
  "${as_postgres[@]}" "${pg}/initdb" -D "${PG_HOME}/data" -U postgres -A trust >"${WORK}/initdb.log" 2>&1 ||
    die "initdb failed; see ${WORK}/initdb.log"
  local options="-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${PG_HOME} ${PG_OPTIONS:-}"
  ${PG_CTL} -o "${options}" start >"${WORK}/pg.log" 2>&1 || die "PostgreSQL did not start; see ${WORK}/pg.log"
  export POSTGRES_URL=postgres://postgres@127.0.0.1:${port}/postgres
}
