package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
)

const canary = `p4ß"w<rd & 'more'`

// However a secret is written, it does not get through, and what is around it
// does.
func TestEveryFormIsRedacted(t *testing.T) {
	r := NewRedactor([]string{canary, "tiny", "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG\nab\n-----END X-----", `{"auths":{"r.example":{"auth":"dXNlcjpzZWNyZXQ="}}}`, "postgres://u:hunter2hunter2@h/db"})
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := json.Marshal(string(quoted))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plain": canary, "query": url.QueryEscape(canary), "path": url.PathEscape(canary), "JSON": string(quoted),
		"JSON in JSON": string(twice),
		"base64":       base64.StdEncoding.EncodeToString([]byte(canary)), "base64 of more": base64.StdEncoding.EncodeToString([]byte("user:" + canary + "!")),
		"base64 of more, otherwise": base64.URLEncoding.EncodeToString([]byte("a:" + canary + "!!")), "base64 at an edge": base64.StdEncoding.EncodeToString([]byte("abc" + canary)),
		"a line of a key": "MIIEvQIBADANBgkqhkiG", "a text inside JSON": "dXNlcjpzZWNyZXQ=", "a password of an address": "hunter2hunter2",
		"a short one alone": "is tiny.", "unknown to us, but in an address": "mongodb://root:who-knows@db:27017", "an assignment": `PGPASSWORD='who knows'`,
		"a token": "Authorization: Bearer abcdefghijk.lmn", "a private key": "-----BEGIN RSA PRIVATE KEY-----\nwho knows\n-----END RSA PRIVATE KEY-----",
	} {
		got := r.Text("before " + text + " after")
		if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, mark) || r.Leaks([]byte(got)) ||
			strings.Contains(got, "who") || strings.Contains(got, "tiny") {
			t.Errorf("%s: %q became %q", name, text, got)
		}
	}
	const clean = "tinyness is no secret, destiny neither"
	if got := r.Text(clean); got != clean {
		t.Errorf("%q became %q", clean, got)
	}
}

// A redacted document is still one.
func TestJSONStaysJSON(t *testing.T) {
	r := NewRedactor([]string{"54321", "canary-value", "other-canary"})
	got, err := r.JSON([]byte(`{"port":54321,"n":1.50,"list":["a canary-value b",true,null],"canary-value":1,"other-canary":2,"x<y":"z"}`))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(got, &v); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if v["port"] != mark || len(v) != 6 || strings.Contains(string(got), "canary") || !strings.Contains(string(got), "1.50") || !strings.Contains(string(got), "x<y") {
		t.Errorf("became %s", got)
	}
	if _, err := r.JSON([]byte("no JSON")); err == nil {
		t.Error("what is no JSON was taken for it")
	}
}

// The same content gives the same bytes, in order and without times.
func TestTheArchiveIsTheSameEveryTime(t *testing.T) {
	write := func(names ...string) []byte {
		b := New(NewRedactor([]string{"canary-value"}))
		for _, n := range names {
			b.Text(n, "text of "+n+" with canary-value")
		}
		b.JSON("garbled.json", []byte("{"))
		b.Missing("logs", errors.New("denied canary-value"))
		if got := b.Unread(); len(got) != 2 || got[1] != (Unread{"logs", "denied " + mark}) {
			t.Errorf("unread: %v", got)
		}
		var out bytes.Buffer
		if err := b.Write(&out, "support"); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	one, other := write("b", "a", "canary-value.txt"), write("canary-value.txt", "a", "b")
	if !bytes.Equal(one, other) {
		t.Error("the order of adding shows")
	}
	zip, err := gzip.NewReader(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for archive := tar.NewReader(zip); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.ModTime.Unix() != 0 || head.Uid != 0 || head.Uname != "" {
			t.Errorf("%s has time %s and owner %d %q", head.Name, head.ModTime, head.Uid, head.Uname)
		}
		names = append(names, head.Name)
	}
	if got := strings.Join(names, " "); got != "support/"+mark+".txt support/a support/b" {
		t.Errorf("entries: %s", got)
	}
}

// Should redaction ever miss one, the file is left out.
func TestALeakIsLeftOut(t *testing.T) {
	b := New(NewRedactor([]string{"canary-value"}))
	b.add("x", []byte("canary-value"))
	if len(b.Names()) != 0 || len(b.Unread()) != 1 {
		t.Errorf("names %v, unread %v", b.Names(), b.Unread())
	}
}
