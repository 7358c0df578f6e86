package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

func whats(list []engine.Finding) (out []string) {
	for _, f := range list {
		out = append(out, f.ID+": "+f.What)
	}
	return out
}

func TestWhatIsLeftBehindIsNamedOneByOne(t *testing.T) {
	left := []mover.Uncarried{
		{Kind: mover.UncarriedTemplate, Object: "table public.strays"},
		{Kind: mover.UncarriedPrivilege, Database: "main", Object: "routine digest(text,text)", Detail: "revoked EXECUTE from public", Superuser: true},
	}
	template := "left-template: template1 holds what every database made on the source later would have, and the target's does not: table public.strays"
	privilege := "left-privilege: privileges on objects of extensions and of the server itself are not carried, because the target's role is no superuser: routine digest(text,text) in database main (revoked EXECUTE from public)"
	if got := whats(checkUncarried(mover.PostgreSQL, left, false)); !slices.Equal(got, []string{privilege, template}) {
		t.Errorf("without a superuser: %q", got)
	}
	if got := whats(checkUncarried(mover.PostgreSQL, left, true)); !slices.Equal(got, []string{template}) {
		t.Errorf("with a superuser: %q", got)
	}
	var many []mover.Uncarried
	for i := range 45 {
		many = append(many, mover.Uncarried{Kind: mover.UncarriedServer, Object: fmt.Sprintf("replication slot s%02d", i)})
	}
	all := strings.Join(whats(checkUncarried(mover.PostgreSQL, many, false)), "\n")
	for _, l := range many {
		if !strings.Contains(all, l.Object) {
			t.Errorf("%s is not named in %s", l.Object, all)
		}
	}
	for kind, words := range uncarriedFindings {
		if strings.Contains(words.what, "%") || words.what == "" || words.fix == "" {
			t.Errorf("%s: %+v", kind, words)
		}
	}
}

func TestSettingsOfTheWholeServer(t *testing.T) {
	set := func(value, usual string) mover.ServerSetting {
		return mover.ServerSetting{Value: value, Default: usual}
	}
	const felt = "server-setting: what is set for the whole server is not carried, and the application can feel it: "
	for _, c := range []struct {
		name     string
		setting  string
		from, to mover.ServerSetting
		want     []string
	}{
		{"alike", "search_path", set("app", `"$user", public`), set("app", `"$user", public`), nil},
		{"felt", "search_path", set("app, public", `"$user", public`), set(`"$user", public`, `"$user", public`), []string{felt + `search_path is 'app, public' on the source and '"$user", public' on the target`}},
		{"felt, and only the target set it", "statement_timeout", set("0", "0"), set("30000", "0"), []string{felt + "statement_timeout is '0' on the source and '30000' on the target"}},
		{"both have their version's default", "lock_timeout", set("0", "0"), set("1", "1"), nil},
		{"one zone by two names", "TimeZone", set("Etc/UTC", "GMT"), set("UTC", "GMT"), nil},
		{"another zone", "TimeZone", set("Asia/Tokyo", "GMT"), set("UTC", "GMT"), []string{felt + "TimeZone is 'Asia/Tokyo' on the source and 'UTC' on the target"}},
		{"one locale by two names", "lc_monetary", set("en_US.UTF-8", "C"), set("en_US.utf8", "C"), nil},
		{"not felt", "work_mem", set("9000", "4096"), set("4096", "4096"), []string{"server-settings: settings of the whole server differ and are not carried: work_mem is '9000' on the source and '4096' on the target"}},
		{"not felt, and only the target set it", "work_mem", set("4096", "4096"), set("9000", "4096"), nil},
		{"about the place", "data_directory", set("/a", ""), set("/b", ""), nil},
		{"an application's own", "app.tenant", set("seven", ""), mover.ServerSetting{}, []string{felt + "app.tenant is 'seven' on the source and empty on the target"}},
		{"hidden", "DateStyle", mover.ServerSetting{Value: "German", Default: "ISO, MDY", Hidden: true}, set("ISO, MDY", "ISO, MDY"),
			[]string{"server-setting-hidden: what is set for the whole server could not be seen, because the role that inspects has a setting of its own: DateStyle"}},
	} {
		src, dst := mover.Database{ServerSettings: map[string]mover.ServerSetting{c.setting: c.from}}, mover.Database{ServerSettings: map[string]mover.ServerSetting{c.setting: c.to}}
		if got := whats(checkServerSettings(src, dst)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	src, dst := mover.Database{ServerSettings: map[string]mover.ServerSetting{"app.tenant": set("seven", "")}}, mover.Database{ServerSettings: map[string]mover.ServerSetting{"port": set("1", "1")}}
	if got := whats(checkServerSettings(src, dst)); !slices.Equal(got, []string{felt + "app.tenant is 'seven' on the source, and the target does not have it"}) {
		t.Errorf("unknown to the target: %q", got)
	}
}
