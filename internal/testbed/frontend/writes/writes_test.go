package writes

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// at makes a row of process a: number n, written that many seconds after begin.
func at(n int64, seconds int, writer, host string) Entry {
	return Entry{N: n, Writer: writer, At: begin.Add(time.Duration(seconds) * time.Second), Host: host}
}

func TestCount(t *testing.T) {
	cases := map[string]struct {
		rows []Entry
		want Report
	}{
		"nothing": {nil, Report{Hosts: map[string]int64{}, Writers: map[string]int64{}}},
		"whole, over two processes and two servers": {
			[]Entry{at(1, 0, "a", "in:1"), at(2, 1, "a", "in:1"), at(3, 9, "b", "out:2")},
			Report{Rows: 3, MinN: 1, MaxN: 3, FirstAt: begin, LastAt: begin.Add(9 * time.Second),
				LongestGap: 8 * time.Second, LongestFrom: 2,
				Hosts: map[string]int64{"in:1": 2, "out:2": 1}, Writers: map[string]int64{"a": 2, "b": 1}},
		},
		"the beginning and a middle are missing": {
			[]Entry{at(3, 0, "a", "h"), at(4, 1, "a", "h"), at(7, 2, "a", "h")},
			Report{Rows: 3, MinN: 3, MaxN: 7, Gaps: 4, FirstAt: begin, LastAt: begin.Add(2 * time.Second),
				LongestGap: time.Second, LongestFrom: 3,
				Hosts: map[string]int64{"h": 3}, Writers: map[string]int64{"a": 3}},
		},
		"a number three times": {
			[]Entry{at(1, 0, "a", "h"), at(2, 1, "a", "h"), at(2, 1, "b", "h"), at(2, 1, "c", "h")},
			Report{Rows: 4, MinN: 1, MaxN: 2, Doubles: 2, FirstAt: begin, LastAt: begin.Add(time.Second),
				LongestGap: time.Second, LongestFrom: 1,
				Hosts: map[string]int64{"h": 4}, Writers: map[string]int64{"a": 2, "b": 1, "c": 1}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, count(c.rows)); diff != "" {
				t.Errorf("report differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLedgerNamesWhatTheTableLost(t *testing.T) {
	lost := []Entry{at(2, 2, "a", "h"), at(3, 3, "b", "h")}
	ledger := []Entry{at(1, 1, "a", "h"), lost[0], lost[1]}
	rows := []Entry{at(1, 1, "a", "h"), at(3, 3, "c", "h")} // the number 3 is there, of somebody else
	var got Report
	compare(&got, rows, ledger)
	if diff := cmp.Diff(Report{Confirmed: 3, Lost: lost, Unconfirmed: 1}, got); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
	if got.Whole() {
		t.Error("a report with lost rows counts as whole")
	}
}

func TestLedgerIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	want := []Entry{at(1, 0, "a", "in:5432"), {N: 2, Writer: "b", At: begin.Add(time.Microsecond), Host: "out:5432"}}
	for i := range want { // opened anew each time, as after a restart
		ledger, known, err := OpenLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(known) != i {
			t.Errorf("the ledger holds %d entries, want %d", len(known), i)
		}
		if err := ledger.Add(want[i]); err != nil {
			t.Fatal(err)
		}
		if err := ledger.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ledger, got, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries differ (-want +got):\n%s", diff)
	}
}

func TestGarbledLedgerIsAnError(t *testing.T) {
	for _, text := range []string{"x", "1 a\n", "1 a yesterday h\n", "one a 2026-01-01T00:00:00Z h\n"} {
		if entries, err := ReadLedger(strings.NewReader(text)); err == nil {
			t.Errorf("ReadLedger(%q) = %v, want an error", text, entries)
		}
	}
}
