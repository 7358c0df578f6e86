package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// feltSettings are those by which statements mean, print, order or limit
// something else: an application feels them.
var feltSettings = map[string]bool{
	"search_path": true, "timezone": true, "timezone_abbreviations": true, "datestyle": true, "intervalstyle": true, "default_text_search_config": true,
	"default_transaction_isolation": true, "default_transaction_deferrable": true, "default_tablespace": true,
	"lc_messages": true, "lc_monetary": true, "lc_numeric": true, "lc_time": true, "bytea_output": true, "extra_float_digits": true, "xmlbinary": true, "xmloption": true,
	"standard_conforming_strings": true, "backslash_quote": true, "escape_string_warning": true, "array_nulls": true, "quote_all_identifiers": true, "transform_null_equals": true,
	"client_encoding": true, "default_with_oids": true, "operator_precedence_warning": true, "row_security": true, "check_function_bodies": true,
	"session_replication_role": true, "statement_timeout": true, "lock_timeout": true, "idle_in_transaction_session_timeout": true, "idle_session_timeout": true,
	"transaction_timeout": true, "max_prepared_transactions": true, "local_preload_libraries": true, "session_preload_libraries": true, "synchronous_commit": true,
}

// placeSettings are about where a server is, how it is reached and run: they
// differ on any two servers and say nothing of the data. The number of sessions
// and preloaded libraries are judged by themselves; that every transaction is
// read-only is our own fence.
var placeSettings = map[string]bool{
	"config_file": true, "data_directory": true, "hba_file": true, "ident_file": true, "external_pid_file": true, "listen_addresses": true, "port": true, "bonjour_name": true,
	"default_transaction_read_only": true, "cluster_name": true, "hot_standby": true, "max_connections": true, "shared_preload_libraries": true, "promote_trigger_file": true, "restore_command": true, "event_source": true,
	"primary_conninfo": true, "primary_slot_name": true, "dynamic_library_path": true, "krb_server_keyfile": true, "krb_caseins_users": true, "update_process_title": true,
	"dynamic_shared_memory_type": true, "shared_memory_type": true, "max_stack_depth": true, "stats_temp_directory": true, "application_name": true, "data_sync_retry": true,
	"server_encoding": true, "lc_collate": true, "lc_ctype": true, "authentication_timeout": true, "jit_provider": true, "huge_pages": true,
}

// placePrefixes are further settings of that sort.
var placePrefixes = []string{"log_", "logging_", "ssl", "syslog", "unix_socket", "archive_", "recovery_", "tcp_", "rds.", "cloudsql.", "azure.", "alloydb.", "google_", "debug_", "track_", "gssencmode", "gss_"}

// checkServerSettings names what is set for the whole source and is otherwise on
// the target: the copy does not carry it. Where both have their version's
// default nobody has set anything.
func checkServerSettings(src, dst mover.Database) []engine.Finding {
	if len(src.ServerSettings) == 0 || len(dst.ServerSettings) == 0 {
		return nil
	}
	var felt, others, hidden []string
	for _, name := range slices.Sorted(maps.Keys(src.ServerSettings)) {
		from := src.ServerSettings[name]
		to, there := dst.ServerSettings[name]
		key := strings.ToLower(name)
		switch isFelt := feltSettings[key] || strings.Contains(name, "."); {
		case placeSettings[key] || slices.ContainsFunc(placePrefixes, func(p string) bool { return strings.HasPrefix(key, p) }):
		case from.Hidden || there && to.Hidden:
			if isFelt {
				hidden = append(hidden, name)
			}
		case there && sameSetting(key, from.Value, to.Value):
		case sameSetting(key, from.Value, from.Default) && (!isFelt || !there || sameSetting(key, to.Value, to.Default)):
		case isFelt && there:
			felt = append(felt, fmt.Sprintf("%s is %s on the source and %s on the target", name, quotedSetting(from.Value), quotedSetting(to.Value)))
		case isFelt:
			felt = append(felt, fmt.Sprintf("%s is %s on the source, and the target does not have it", name, quotedSetting(from.Value)))
		case there:
			others = append(others, fmt.Sprintf("%s is %s on the source and %s on the target", name, quotedSetting(from.Value), quotedSetting(to.Value)))
		}
	}
	var out []engine.Finding
	for _, line := range felt {
		what, left := leaving("what is set for the whole server is not carried, and the application can feel it", []string{line})
		out = append(out, engine.Finding{ID: "server-setting", Field: postgresField, Source: sourceDocs, What: what, Left: left,
			Fix: "set it on the target's server, or on the source for the databases that need it (ALTER DATABASE … SET …), which is carried"})
	}
	if len(hidden) > 0 {
		out = append(out, engine.Finding{ID: "server-setting-hidden", Field: postgresField, Source: sourceDocs,
			What: "what is set for the whole server could not be seen, because the role that inspects has a setting of its own: " + strings.Join(hidden, ", "),
			Fix:  "compare them on both servers yourself"})
	}
	for chunk := range slices.Chunk(others, namedAtOnce) {
		what, left := leaving("settings of the whole server differ and are not carried", chunk)
		out = append(out, engine.Finding{ID: "server-settings", Field: postgresField, Source: sourceDocs, What: what, Left: left,
			Fix: "nothing, if they fit the target's machine; else set them there"})
	}
	return out
}

func quotedSetting(value string) string {
	if value == "" {
		return "empty"
	}
	return "'" + value + "'"
}

// sameSetting tells whether two values of a setting mean the same.
func sameSetting(name, a, b string) bool {
	switch {
	case a == b:
		return true
	case strings.HasPrefix(name, "lc_"):
		plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
		neutral := func(s string) bool { return slices.Contains([]string{"", "c", "posix", "c.utf8"}, plain(s)) }
		return plain(a) == plain(b) || neutral(a) && neutral(b)
	case name == "timezone":
		return worldTime[a] && worldTime[b]
	case name == "search_path":
		plain := func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), `"`, "") }
		return plain(a) == plain(b)
	}
	return strings.EqualFold(a, b)
}

// worldTime are names of one and the same time zone.
var worldTime = map[string]bool{"UTC": true, "Etc/UTC": true, "GMT": true, "Etc/GMT": true, "UCT": true, "Etc/UCT": true, "Zulu": true, "Etc/Zulu": true,
	"Universal": true, "Etc/Universal": true, "Greenwich": true, "Etc/Greenwich": true, "GMT0": true, "Etc/GMT0": true, "GMT+0": true, "GMT-0": true}
