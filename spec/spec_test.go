package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func cutTag(tag string) (name, options string, found bool) { return strings.Cut(tag, ",") }

func load(t *testing.T, text string) *Spec {
	t.Helper()
	s, err := Parse("circleci-dr.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoadNamesAMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "read spec: ") {
		t.Errorf("Load = %v", err)
	}
}

func TestPositions(t *testing.T) {
	s := load(t, "\xef\xbb\xbfapiVersion: circleci-dr/v1\r\nname: ci\r\nserver:\r\n  namespace: circleci-server\r\n  release: r\r\n  values: [a.yaml, b.yaml]\r\nmover:\r\n  nodeSelector: {kubernetes.io/arch: amd64}\r\n")
	for path, want := range map[string]string{
		"apiVersion":       "1:1 true",
		"server.namespace": "4:3 true",
		"server.values[1]": "6:20 true",
		`mover.nodeSelector["kubernetes.io/arch"]`: "8:18 true",
		"mover.streams":         "0:0 false",
		"backup.retention.days": "0:0 false",
	} {
		line, column, ok := s.Position(path)
		if got := fmt.Sprintf("%d:%d %v", line, column, ok); got != want {
			t.Errorf("Position(%q) = %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"server.release": "circleci-dr.yaml:5", "server.chart": "circleci-dr.yaml:3",
		"backup.retention.days": "circleci-dr.yaml", "": "circleci-dr.yaml",
	} {
		if got := s.Where(path); got != want {
			t.Errorf("Where(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestDigestIsAboutMeaning(t *testing.T) {
	one := load(t, "apiVersion: circleci-dr/v1\nname: ci\nserver: {namespace: a, release: b}\n")
	same := load(t, "# a comment\nserver:\n  release: \"b\"\n  namespace: a\nmover: {streams: 2}\nname: ci\napiVersion: circleci-dr/v1\n")
	other := load(t, "apiVersion: circleci-dr/v1\nname: ci\nserver: {namespace: a, release: c}\n")
	if one.Digest() != same.Digest() || !one.Equal(*same) {
		t.Error("comments, order or a written-out default changed the digest")
	}
	if one.Digest() == other.Digest() {
		t.Error("another release has the same digest")
	}
	if !strings.HasPrefix(one.Digest(), "sha256:") || len(one.Digest()) != len("sha256:")+64 {
		t.Errorf("Digest = %q", one.Digest())
	}
}

func TestNotes(t *testing.T) {
	s := load(t, `
apiVersion: circleci-dr/v1
name: ci
server: {namespace: a, release: b}
datastores:
  postgresql:
    location: external
    external: {host: "2001:db8::1", username: u, password: {env: P}, tls: {mode: disable}}
  mongodb:
    location: external
    external: {hosts: ["[::1]:27017"], username: u, password: {env: P}, options: "tlsInsecure=true", tls: {enabled: false}}
backup:
  preUpgrade: off
  retention: {days: 3}
  encryption: {kms: {key: k}}
  store: file:///var/backups
`)
	var got []string
	for _, n := range s.Notes() {
		got = append(got, fmt.Sprintf("%d:%d %s %s %s", n.Line, n.Column, n.Code, n.Path, n.Message()))
	}
	want := []string{
		"8:76 finding datastores.postgresql.external.tls.mode is disable: the password's proof and all data cross the network in clear",
		"11:73 finding datastores.mongodb.external.options turns the check of who answers off",
		"11:108 finding datastores.mongodb.external.tls.enabled is false: all data cross the network in clear",
		"13:3 finding backup.preUpgrade is off: upgrades run without a fresh backup, and there is no other way back",
		"14:3 note backup.retention minimumGood (7) keeps sets for 168h, longer than days (3): days does nothing",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("notes:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSecretRef(t *testing.T) {
	for want, ref := range map[string]SecretRef{
		"key password of Secret pg": {Secret: &SecretKey{Name: "pg", Key: "password"}},
		"environment variable PG":   {Env: "PG"},
		"file pw.txt":               {File: "pw.txt"},
		"no reference":              {},
	} {
		if got := fmt.Sprint(ref); got != want || ref.IsZero() != (want == "no reference") {
			t.Errorf("%q, IsZero %v; want %q", got, ref.IsZero(), want)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for text, want := range map[string]string{
		"daily":                            "0 2 * * * UTC 24h",
		"CRON_TZ=Europe/Berlin 30 2 * * *": "30 2 * * * Europe/Berlin 24h",
		"TZ=UTC 0 */6 * * *":               "0 */6 * * * UTC 6h",
		"CRON_TZ=UTC 0 2,14 * * 1-5":       "0 2,14 * * 1-5 UTC 60h",
		"CRON_TZ=UTC * * * 1 *":            "* * * 1 * UTC 8040h1m",
		"CRON_TZ=UTC 0 0 29 2 *":           "0 0 29 2 * UTC 35064h",
		"CRON_TZ=UTC 0 0 1 * 1":            "0 0 1 * 1 UTC 168h",
		"CRON_TZ=UTC 0 0 30 2 *":           "must run at some time, and this one never does",
		"0 2 * * *":                        "must be daily or a cron expression that begins with its time zone",
		"@daily":                           "must be daily or a cron expression that begins with its time zone",
		"CRON_TZ=Local 0 2 * * *":          "must name an IANA time zone, such as Europe/Berlin or UTC",
		"CRON_TZ=Mars/Base 0 2 * * *":      "must name an IANA time zone, such as Europe/Berlin or UTC",
		"CRON_TZ=UTC 0 2 * *":              "must have five fields after the time zone (minute, hour, day of month, month, day of week), and has 4",
		"CRON_TZ=UTC 61 2 * * *":           "must be a valid cron expression (minute, hour, day of month, month, day of week)",
		"CRON_TZ=UTC TZ=UTC 2 * * *":       "must be a valid cron expression (minute, hour, day of month, month, day of week)",
		"":                                 "must not be empty",
	} {
		s, err := ParseSchedule(text)
		got := fmt.Sprintf("%s %s %s", s.Cron, s.Zone, hours(s.Interval))
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("ParseSchedule(%q) = %s, want %s", text, got, want)
		}
	}
	if got := hours(90 * time.Minute); got != "1h30m" {
		t.Errorf("hours = %q", got)
	}
}

func TestAcceptedValues(t *testing.T) {
	for name, block := range map[string]string{
		"quantities as numbers":    "mover: {resources: {requests: {cpu: 1, memory: 1.5e9}, limits: {cpu: 0.5}}}",
		"an annotation with lines": "mover: {annotations: {example.com/why: \"one\\ntwo\"}}",
		"exists without a key":     "mover: {tolerations: [{operator: Exists}]}",
		"an empty mover":           "mover: {}",
		"stores":                   "backup: {encryption: {kms: {key: k}}, store: \"azblob://container/prefix?domain=example.com\"}",
		"an exact rpo":             "backup: {encryption: {kms: {key: k}}, store: s3://b, schedule: \"CRON_TZ=UTC 0 */6 * * *\", objectives: {rpo: 8h, rto: 30m}}",
		"another namespace":        "restore: {target: {kubeContext: prod, namespace: other}}",
		"a hybrid recipient":       "backup: {encryption: {age: {recipients: [age1pq1" + strings.Repeat("q", 1900) + "]}}, store: gs://b}",
	} {
		t.Run(name, func(t *testing.T) {
			load(t, "---\napiVersion: circleci-dr/v1\nname: ci\nserver: {kubeContext: prod, namespace: a, release: b}\n"+block+"\n")
		})
	}
	s := load(t, "apiVersion: circleci-dr/v1\nname: ci\nserver: {namespace: a, release: b}\nmover: {resources: {requests: {cpu: 0.5}}}\n")
	if got := s.Mover.Resources.Requests["cpu"]; got != "0.5" {
		t.Errorf("cpu = %q, want it as written", got)
	}
}
