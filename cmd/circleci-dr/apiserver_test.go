package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// apiServer answers reads with what the test put there, and knows nothing
// else: 404 for an object, an empty list for a list.
type apiServer struct {
	t       *testing.T
	objects map[string]any // by path
	denied  map[string]bool
	changed []string // requests that would change something
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	w.Header().Set("Content-Type", "application/json")
	found, ok := a.objects[r.URL.Path]
	switch {
	case strings.HasPrefix(name, "selfsubject"):
		fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":true}}`)
	case r.Method != http.MethodGet:
		a.changed = append(a.changed, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusMethodNotAllowed)
	case a.denied[r.URL.Path]:
		a.status(w, http.StatusForbidden, "Forbidden", name+" is forbidden")
	case ok && strings.HasSuffix(r.URL.Path, "/log"):
		fmt.Fprint(w, found)
	case ok:
		found = selected(found, r.URL.Query().Get("labelSelector"))
		if strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList") {
			found = onlyMetadata(found)
		}
		if err := json.NewEncoder(w).Encode(found); err != nil {
			a.t.Error(err)
		}
	case strings.HasSuffix(name, "s") && !strings.Contains(name, "-") && strings.Contains(r.Header.Get("Accept"), "as=PartialObjectMetadataList"):
		fmt.Fprint(w, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{},"items":[]}`)
	case strings.HasSuffix(name, "s") && !strings.Contains(name, "-"):
		fmt.Fprint(w, `{"metadata":{},"items":[]}`)
	default:
		a.status(w, http.StatusNotFound, "NotFound", name+" not found")
	}
}

// selected keeps the items of a list that have the labels asked for.
func selected(found any, selector string) any {
	list, ok := found.(map[string]any)
	want, err := labels.Parse(selector)
	items, isList := list["items"].([]map[string]any)
	if !ok || !isList || err != nil {
		return found
	}
	kept := []map[string]any{}
	for _, item := range items {
		has := labels.Set{}
		if all, ok := item["metadata"].(map[string]any)["labels"].(map[string]any); ok {
			for name, value := range all {
				has[name] = fmt.Sprint(value)
			}
		}
		if want.Matches(has) {
			kept = append(kept, item)
		}
	}
	return map[string]any{"metadata": map[string]any{}, "items": kept}
}

// onlyMetadata is a list for who asked for nothing but metadata.
func onlyMetadata(found any) any {
	list, _ := found.(map[string]any)
	all, _ := list["items"].([]map[string]any)
	items := []map[string]any{}
	for _, item := range all {
		items = append(items, map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]})
	}
	return map[string]any{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": map[string]any{}, "items": items}
}

func (a *apiServer) status(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":%q,"code":%d}`, reason, message, code)
}

// startAPI gives a server and a kubeconfig whose context prod reaches it.
func startAPI(t *testing.T) (*apiServer, string) {
	t.Helper()
	a := &apiServer{t: t, objects: map[string]any{}, denied: map[string]bool{}}
	installedServer := httptest.NewTLSServer(a) // a token is only sent over TLS
	t.Cleanup(installedServer.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: installedServer.Certificate().Raw})
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q,"certificate-authority-data":%q}}],
		"contexts":[{"name":"prod","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":{"token":"token-of-the-operator"}}]}`, installedServer.URL, base64.StdEncoding.EncodeToString(ca))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, path
}

// list puts objects under a path, as a list of them. Without a kind it is what
// the client asked for.
func (a *apiServer) list(path string, items ...map[string]any) {
	a.objects[path] = map[string]any{"metadata": map[string]any{}, "items": items}
}

// helmRelease is a release record as Helm stores it.
func helmRelease(t *testing.T, release map[string]any) string {
	t.Helper()
	doc, err := json.Marshal(release)
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write(doc); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(zipped.Bytes())))
}
