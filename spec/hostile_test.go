package spec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// hostile is input made to be slow, large or deep. What each repeats comes to
// several megabytes where the size itself is the attack, and to just under the
// limit otherwise.
func hostile() map[string]string {
	fill := func(s string) string { return strings.Repeat(s, (maxBytes-64)/len(s)) }
	lines := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < maxBytes-128; i++ {
			b.WriteString(strings.ReplaceAll(format, "N", fmt.Sprint(i)))
		}
		return b.String()
	}
	numbered := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "N", fmt.Sprint(i)))
		}
		return b.String()
	}
	var bomb, stairs, dashes strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	for i := range 600 {
		stairs.WriteString(strings.Repeat(" ", i) + "a:\n")
		dashes.WriteString(strings.Repeat("- ", i+1) + "\n")
	}
	return map[string]string{
		"alias bomb":                       bomb.String(),
		"megabytes of keys":                strings.Repeat("key: value\n", 1<<20),
		"megabytes of brackets":            strings.Repeat("[", 8<<20),
		"one long line":                    "name: " + strings.Repeat("x", 8<<20),
		"brackets":                         fill("["),
		"brackets on lines":                strings.Repeat("[\n", 9_000),
		"braces":                           fill("{a: "),
		"closed brackets":                  strings.Repeat("[", 900) + strings.Repeat("]", 900),
		"mixed brackets":                   fill("[{a: "),
		"block mappings, one level a line": stairs.String(),
		"block lists, one level a line":    dashes.String(),
		"compact lists":                    "a:\n  " + strings.Repeat("- ", 4_000) + "x",
		"compact complex keys":             strings.Repeat("? ", 4_000) + "x",
		"compact values":                   strings.Repeat(": ", 4_000) + "x",
		"the same key":                     fill("a: b\n"),
		"many keys":                        lines("kN: v\n"),
		"many keys in braces":              "{" + lines("kN: v,\n") + "}",
		"many unknown keys":                lines("aN: 1\nbN: [1]\n")[:90_000],
		"many nodeSelector keys":           "mover:\n  nodeSelector:\n" + lines("    kN: v\n")[:60_000],
		"keys just under the limit":        "mover:\n  nodeSelector:\n" + numbered("    kN: v\n", maxTokens/3-10),
		"unknown keys under the limit":     numbered("serverN: v\n", maxTokens/3-10),
		"equal keys under the limit":       strings.Repeat("a: b\n", maxTokens/3-10),
		"broken values under the limit":    "mover:\n  annotations:\n" + numbered("    kN: 1\n", maxTokens/3-10),
		"equal items under the limit":      "server:\n  values:\n" + strings.Repeat("    - v\n", maxTokens/2-10),
		"items under the limit":            "server:\n  values:\n" + numbered("    - vN\n", maxTokens/2-10),
		"complex keys under the limit":     strings.Repeat("? a\n", maxTokens/2-10),
		"many values":                      "server:\n  values:\n" + lines("    - vN\n")[:60_000],
		"many host items":                  "server:\n  values: [" + lines("N,\n")[:30_000] + "]",
		"complex keys":                     fill("? a\n"),
		"anchors":                          fill("&a "),
		"tags":                             fill("!a "),
		"documents":                        fill("---\n"),
		"document ends":                    fill("...\n"),
		"directives":                       fill("%a b\n"),
		"comments":                         fill("#\n"),
		"empty lines":                      fill("\n"),
		"block scalars":                    fill("|\n"),
		"literal":                          "name: |\n" + fill("  x\n"),
		"quotes":                           fill("'"),
		"open quote on lines":              "name: \"" + fill("x\n"),
		"escapes":                          "name: \"" + strings.Repeat("\\u0041", 1_300) + "\"",
		"backslashes":                      fill("\\"),
		"reserved characters":              fill("@`"),
		"long key":                         strings.Repeat("k", 8_000) + ": v",
		"long number":                      "mover: {streams: " + strings.Repeat("9", 8_000) + "}",
		"large exponent":                   "mover: {streams: 1e999999999}",
		"small exponent":                   "mover: {streams: 1e-999999999}",
		"long fraction":                    "mover: {streams: 0." + strings.Repeat("1", 8_000) + "}",
		"infinity":                         "mover: {streams: .inf}\nname: .nan",
		"long schedule":                    "backup: {schedule: \"CRON_TZ=UTC " + strings.Repeat("1,", 4_000) + "1 * * * *\"}",
		"zone that is a path":              "backup: {schedule: \"CRON_TZ=../../../etc/passwd * * * * *\"}",
		"nested zone":                      "backup: {schedule: \"CRON_TZ=UTC TZ= * * * *\"}",
		"broken UTF-8":                     fill("\xff\xfe\xfa"),
		"NUL":                              fill("\x00"),
		"carriage returns":                 fill("\r"),
		"byte order marks":                 fill("\xef\xbb\xbf"),
		"binary":                           "\x7fELF\x02\x01\x01\x00\x00\x00",
		"tabs":                             fill("\t"),
		"spaces":                           fill(" "),
	}
}

// TestHostileInput bounds what is allocated, all of it, collected or not; that
// bounds time as well, without a clock in the test.
func TestHostileInput(t *testing.T) {
	if _, err := Parse("warm", []byte("a: b")); err == nil { // the schema is compiled once, outside the bound
		t.Fatal("want problems")
	}
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			data := []byte(text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, err := Parse("hostile.yaml", data)
			runtime.ReadMemStats(&after)
			var problems *Problems
			if s != nil || !errors.As(err, &problems) || len(problems.Items) == 0 {
				t.Fatalf("Parse = %v, %v; want problems", s, err)
			}
			if len(problems.Items) > maxProblems+1 {
				t.Errorf("%d problems; nobody reads more than %d", len(problems.Items), maxProblems)
			}
			if size := len(problems.Error()); size > 64<<10 {
				t.Errorf("the error has %d bytes", size)
			}
			for _, p := range problems.Items {
				if p.Line < 1 || p.Column < 1 {
					t.Errorf("no place: %+v", p)
				}
			}
			const bound = 100 << 20
			if used := after.TotalAlloc - before.TotalAlloc; used > bound {
				t.Errorf("allocated %d MiB in all, bound %d", used>>20, bound>>20)
			}
			t.Logf("%d KiB: %.100s", (after.TotalAlloc-before.TotalAlloc)>>10, strings.ReplaceAll(err.Error(), "\n", " / "))
		})
	}
}

// TestLoadReadsNoMoreThanTheLimit gives Load a sparse file of 4 GiB.
func TestLoadReadsNoMoreThanTheLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(file, []byte("name: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 4<<30); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Load(file)
	runtime.ReadMemStats(&after)
	var problems *Problems
	if !errors.As(err, &problems) || problems.Items[0].Code != CodeLimit {
		t.Fatalf("Load = %v, want a limit", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("allocated %d KiB", used>>10)
	}
}
