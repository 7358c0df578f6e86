package runbook

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/spec"
)

// postgresWay sets a connection string without its password, and tries it.
func (t *teller) postgresWay(s side) []Part {
	lines := []string{t.password(s)}
	if s.at == spec.Internal {
		lines = append(lines, t.forward(s.engine, pgForward, "5432"),
			`PG_INSIDE="host=127.0.0.1 port=`+pgForward+` user=postgres"`)
	} else {
		o := t.outside(s.engine)
		if o.Host == "" {
			lines = append(lines, `: "${PG_OUTSIDE:?how it is reached, without the password: host=... port=5432 user=... sslmode=verify-full sslrootcert=...}"`)
		} else {
			ca, made := t.authority(s)
			at := []string{setting("host", o.Host), setting("port", itoa(o.Port)), setting("user", o.Username)}
			if o.TLSMode != "" {
				at = append(at, setting("sslmode", o.TLSMode))
			}
			if strings.HasPrefix(o.TLSMode, "verify") {
				at, lines = append(at, setting("sslrootcert", ca)), append(lines, made...)
			}
			lines = append(lines, "PG_OUTSIDE="+word(strings.Join(at, " ")))
		}
	}
	lines = append(lines, "for try in 1 2 3 4 5 6 7 8 9 10; do\n  "+psql(s, "postgres")+` -Atc "select 'connected to ' || version()" && break`+"\n  sleep 1\ndone")
	where := "from a machine that reaches it, with psql of its version or newer"
	if s.at == spec.Internal {
		where = "through a port that kubectl forwards; kill %% ends that, psql has to be of its version or newer"
	}
	return parts(run("How "+s.title()+" is reached: "+where+". "+passwordNote, strings.Join(lines, "\n")))
}

// client is a client of PostgreSQL on one database of a side. The name goes into
// the environment: inside a connection string it would have to be quoted once more.
func client(s side, program, database string) string {
	p, flag, name := s.prefix(), "--dbname", `"$database"`
	if program == "createdb" { // its own dbname is the one it makes
		flag = "--maintenance-db"
	}
	switch database {
	case "$database":
	case "rehearsal_$database":
		name = `"rehearsal_$database"`
	default:
		name = word(database)
	}
	return `PGPASSWORD="$` + p + `_PASSWORD" PGDATABASE=` + name + " " + program + " " + flag + `="$` + p + `"`
}

func psql(s side, database string) string { return client(s, "psql", database) + " -X" }

// sql runs statements that stop at the first error.
func sql(s side, database, text string) string {
	return heredoc(psql(s, database)+" -v ON_ERROR_STOP=1", text)
}

// ownDatabases are the databases that a move carries: all but templates, what
// every server has, and ours.
const ownDatabases = "select datname from pg_database where datallowconn and not datistemplate and datname not in ('postgres', '" + ownDatabase + "') order by datname"

// overDatabases begins a loop over every database of a side, as $database.
func (t *teller) overDatabases(s side) string {
	list := ""
	for _, name := range t.n.Store(s.engine).Databases {
		list += " " + word(name)
	}
	if list != "" {
		return "for database in" + list + "; do\n"
	}
	return psql(s, "postgres") + ` -Atc "` + ownDatabases + `" |` + "\nwhile read -r database; do\n"
}

// eachDatabase runs a command for every database of a side. It must not read the
// list that the loop reads.
func (t *teller) eachDatabase(s side, command string) string {
	return t.overDatabases(s) + "  {\n" + indent(indent(command)) + "\n  } </dev/null\ndone"
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

const showFence = `select current_setting('default_transaction_read_only') as refuses_writes;
select d.datname as database, r.rolname as role, s.setconfig from pg_db_role_setting s
  left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole
  where s.setconfig::text like '%default_transaction_read_only%';
select datname, usename, count(*) from pg_stat_activity where usename is not null and pid <> pg_backend_pid() group by 1, 2 order by 1, 2;`

const endSessions = `select count(pg_terminate_backend(pid)) as ended from pg_stat_activity
  where usesysid is not null and pid <> pg_backend_pid() and usename not in (select rolname from pg_roles where rolname like 'rds%');`

// raiseSystem and raiseEach are the fence, for a superuser and for another.
const raiseSystem = `alter system set default_transaction_read_only = on;
select pg_reload_conf();
select pg_sleep(1);
` + endSessions

const raiseEach = `set default_transaction_read_only = off;
select format('alter database %I set default_transaction_read_only = on', datname) from pg_database where datallowconn and not datistemplate and datname <> 'circleci_dr'
\gexec
` + endSessions

const lowerSystem = `set default_transaction_read_only = off;
alter system reset default_transaction_read_only;
select pg_reload_conf();`

const lowerEach = `set default_transaction_read_only = off;
select format('alter database %I reset default_transaction_read_only', datname) from pg_database where datallowconn and not datistemplate and datname <> 'circleci_dr'
\gexec`

// liftFence puts back what stood before the tool's fence, as its record says, and
// removes the record: what the tool does itself (internal/postgres, unfence). A
// side that lost its turn keeps its fence.
const liftFence = `set default_transaction_read_only = off;
select id, since, how, prior from dr.fence;
do $$
begin
  if exists (select from dr.lineage where state = 'superseded') then
    raise exception 'this side lost its turn at epoch %: the fence keeps two truths from coming into being, and stays', (select epoch from dr.lineage);
  end if;
end
$$;
-- What was set for databases and roles.
select case
    when s->>'role' is not null and s->>'database' is not null
      then format('alter role %I in database %I set default_transaction_read_only = %L', s->>'role', s->>'database', s->>'value')
    when s->>'role' is not null then format('alter role %I set default_transaction_read_only = %L', s->>'role', s->>'value')
    when s->>'value' is not null then format('alter database %I set default_transaction_read_only = %L', s->>'database', s->>'value')
    else format('alter database %I reset default_transaction_read_only', s->>'database')
  end
  from dr.fence, jsonb_array_elements(prior->'settings') s
  where s->>'database' is null or exists (select from pg_database where datname = s->>'database')
\gexec
-- What was set for the whole server.
select case when prior->>'readOnly' is null then 'alter system reset default_transaction_read_only'
    else format('alter system set default_transaction_read_only = %L', prior->>'readOnly') end
  from dr.fence where how = 'system'
union all
select case when prior->>'autovacuum' is null then 'alter system reset autovacuum'
    else format('alter system set autovacuum = %L', prior->>'autovacuum') end
  from dr.fence where how = 'system'
\gexec
select 'select pg_reload_conf()' from dr.fence where how = 'system'
\gexec
begin;
insert into dr.own_xid values (txid_current()) on conflict do nothing;
delete from dr.fence;
commit;`

// digests prints a line for every table of a database: its rows and a sum of
// their hashes, whatever their order.
const digests = `select format('select %L, count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from only %I.%I t', n.nspname || '.' || c.relname, n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%' and n.nspname not like 'pg_temp%'
  order by n.nspname collate "C", c.relname collate "C"
\gexec`

// compare writes the digests of every database on both sides and shows what
// differs.
func (t *teller) compare(source, target side) string {
	one := func(s side, file string) string {
		return heredoc(client(s, "psql", "$database")+" -X -At -v ON_ERROR_STOP=1 >> "+file, digests)
	}
	body := "echo \"database $database\" | tee -a source.txt >> target.txt\n" + one(source, "source.txt") + "\n" + one(target, "target.txt")
	return ": > source.txt; : > target.txt\n" + t.overDatabases(source) + body + "\ndone\ndiff source.txt target.txt && echo 'the rows are equal'"
}
