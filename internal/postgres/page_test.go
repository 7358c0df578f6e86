package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
)

// liftedByThePage runs the commands with which docs/break-glass.md lifts a fence,
// word for word, as a role on a server.
func liftedByThePage(t *testing.T, s *pgtest.Server, role string) (said string, err error) {
	t.Helper()
	page, err := os.ReadFile("../../docs/break-glass.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, found := strings.Cut(string(page), "\n### PostgreSQL, in the cluster\n")
	blocks := strings.Split(chapter, "\n```bash\n")
	if !found || len(blocks) < 3 {
		t.Fatal("the page has no chapter on PostgreSQL in the cluster with two blocks")
	}
	script, _, _ := strings.Cut(blocks[2], "\n```")
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH=/usr/lib/postgresql/15/bin:"+os.Getenv("PATH"),
		fmt.Sprintf("PG_INSIDE=host=%s port=%d user=%s sslmode=disable", s.Host, s.Port, role), "PG_INSIDE_PASSWORD="+pgtest.Password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// byThePage demands that the page lifts the fence that stands, and keeps that of
// a side which lost its turn.
func byThePage(t *testing.T, s *pgtest.Server, role, before string) {
	t.Helper()
	const lost = "insert into dr.lineage (installation, epoch, state, move, fence) values ('x', 3, 'superseded', 'm', 'f')"
	s.Exec(t, ownDatabase, "begin read write; "+lost+"; commit")
	said, err := liftedByThePage(t, s, role)
	if err == nil || !strings.Contains(said, "this side lost its turn at epoch 3") {
		t.Errorf("the fence of a side that lost its turn: %v\n%s", err, said)
	}
	if s.Value(t, ownDatabase, "select count(*)::text from dr.fence") != "1" || s.Value(t, "postgres", whatStood) == before {
		t.Error("it was lifted, or its record removed")
	}
	s.Exec(t, ownDatabase, "begin read write; delete from dr.lineage; commit")
	if said, err = liftedByThePage(t, s, role); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if after := s.Value(t, "postgres", whatStood); after != before {
		t.Errorf("settings after the page's commands:\n%s\nbefore the fence:\n%s\nthey said\n%s", after, before, said)
	}
	if left := s.Value(t, ownDatabase, "select count(*)::text from dr.fence"); left != "0" {
		t.Errorf("%s records of a fence are left", left)
	}
	if said, err = liftedByThePage(t, s, role); err != nil {
		t.Errorf("where no fence stands: %v\n%s", err, said)
	}
}
