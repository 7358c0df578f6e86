// Package kubetest is an API server in memory for tests of how long a client
// waits. It knows objects by their paths, and can fall silent at any request. It
// must not know what the objects mean, and no controller runs behind it.
package kubetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/scheme"
)

// Object is an object as it goes over the wire.
type Object = map[string]any

// Server is an API server.
type Server struct {
	URL string
	// Made hears of every object that a request made, before the answer, and may
	// be nil. It may Put what a controller would.
	Made func(path string, o Object)
	// Gone hears of every object that a request deleted, and may delete what
	// belonged to it; it may be nil.
	Gone func(path string, objects map[string]any)

	t       *testing.T
	over    chan struct{}
	mu      sync.Mutex
	objects map[string]any
	version int
	calls   []string
	silent  int
}

// New starts an API server, which the test's end stops.
func New(t *testing.T) *Server {
	t.Helper()
	s := &Server{t: t, over: make(chan struct{}), objects: map[string]any{}}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(s.over) }) // first, for Close waits for requests
	return s
}

// Put stores what a path gives: an object, or a string for a log.
func (s *Server) Put(path string, o any) {
	if _, isLog := o.(string); !isLog { // as it would come over the wire
		data, err := json.Marshal(o)
		if err != nil {
			s.t.Fatal(err)
		}
		o, _ = s.decode(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(path, o)
}

// SilentAt has the server say nothing to the n-th request from now on, and to
// none after it.
func (s *Server) SilentAt(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.silent = nil, n
}

// Save gives a function that brings back all objects as they are now.
func (s *Server) Save() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := maps.Clone(s.objects)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.objects = maps.Clone(saved)
	}
}

// Calls are the requests that came, since SilentAt where that was called.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) put(path string, o any) {
	s.version++
	if object, ok := o.(Object); ok {
		meta, _ := object["metadata"].(Object)
		meta = maps.Clone(meta)
		if meta == nil {
			meta = Object{}
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if meta["uid"] == nil {
			meta["uid"] = "uid-" + name
		}
		meta["name"], meta["resourceVersion"] = name, fmt.Sprint(s.version)
		object = maps.Clone(object)
		object["metadata"] = meta
		o = object
	}
	s.objects[path] = o
}

// ServeHTTP answers one request, or none.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	s.mu.Lock()
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	silent := s.silent > 0 && len(s.calls) >= s.silent
	s.mu.Unlock()
	if silent || r.URL.Query().Get("watch") == "true" {
		select {
		case <-s.over:
		case <-r.Context().Done():
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.Method {
	case http.MethodGet:
		s.get(w, r)
	case http.MethodPost:
		s.post(w, r, body)
	case http.MethodPut, http.MethodPatch:
		s.change(w, r, body)
	default:
		s.remove(w, r)
	}
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.objects[r.URL.Path]
	log, isLog := found.(string)
	switch {
	case isLog:
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, log)
	case ok:
		s.answer(w, http.StatusOK, found)
	case isCollection(r.URL.Path):
		s.answer(w, http.StatusOK, s.list(r.URL.Path, r.URL.Query().Get("labelSelector")))
	default:
		s.refuse(w, http.StatusNotFound, "NotFound", r.URL.Path)
	}
}

func (s *Server) list(path, selector string) Object {
	want, err := labels.Parse(selector)
	if err != nil {
		s.t.Errorf("selector %q: %v", selector, err)
		want = labels.Everything()
	}
	items := []any{}
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		name, below := strings.CutPrefix(at, path+"/")
		o, isObject := s.objects[at].(Object)
		if below && isObject && !strings.Contains(name, "/") && want.Matches(labelsOf(o)) {
			items = append(items, o)
		}
	}
	return Object{"metadata": Object{"resourceVersion": fmt.Sprint(s.version)}, "items": items}
}

func labelsOf(o Object) labels.Set {
	out := labels.Set{}
	meta, _ := o["metadata"].(Object)
	all, _ := meta["labels"].(Object)
	for name, value := range all {
		out[name] = fmt.Sprint(value)
	}
	return out
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, body []byte) {
	o, ok := s.decode(body)
	if !ok {
		return
	}
	if strings.Contains(r.URL.Path, "/selfsubject") { // whoever asks may
		o["status"] = Object{"allowed": true, "resourceRules": []any{Object{"verbs": []any{"*"}, "apiGroups": []any{"*"}, "resources": []any{"*"}}}}
		s.answer(w, http.StatusCreated, o)
		return
	}
	meta, _ := o["metadata"].(Object)
	path := fmt.Sprintf("%s/%v", r.URL.Path, meta["name"])
	s.mu.Lock()
	_, there := s.objects[path]
	if !there {
		s.put(path, o)
		o = s.objects[path].(Object)
	}
	s.mu.Unlock()
	if there {
		s.refuse(w, http.StatusConflict, "AlreadyExists", path)
		return
	}
	if s.Made != nil {
		s.Made(path, o)
	}
	s.answer(w, http.StatusCreated, o)
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, body []byte) {
	change, ok := s.decode(body)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there := s.objects[r.URL.Path].(Object)
	if !there {
		s.refuse(w, http.StatusNotFound, "NotFound", r.URL.Path)
		return
	}
	if r.Method == http.MethodPatch {
		change = mergedInto(old, change)
	}
	if !strings.Contains(r.URL.RawQuery, "dryRun") {
		s.put(r.URL.Path, change)
	}
	s.answer(w, http.StatusOK, change)
}

// mergedInto is a JSON merge patch; what a strategic one would do with lists does
// not matter here.
func mergedInto(old, change Object) Object {
	out := maps.Clone(old)
	if out == nil {
		out = Object{}
	}
	for name, value := range change {
		below, isObject := value.(Object)
		was, _ := out[name].(Object)
		switch {
		case value == nil:
			delete(out, name)
		case isObject:
			out[name] = mergedInto(was, below)
		default:
			out[name] = value
		}
	}
	return out
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.objects[r.URL.Path]; !there {
		s.refuse(w, http.StatusNotFound, "NotFound", r.URL.Path)
		return
	}
	delete(s.objects, r.URL.Path)
	if s.Gone != nil {
		s.Gone(r.URL.Path, s.objects)
	}
	s.answer(w, http.StatusOK, Object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
}

// isCollection tells the path of all objects of a kind from that of one.
func isCollection(path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := 2 // api/v1
	if parts[0] == "apis" {
		at = 3
	}
	if len(parts) > at+2 && parts[at] == "namespaces" {
		at += 2
	}
	return len(parts) == at+1
}

// decode reads an object, also one in protobuf, which client-go's clients of known
// kinds send.
func (s *Server) decode(body []byte) (Object, bool) {
	if bytes.HasPrefix(body, []byte("k8s\x00")) {
		known, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		if err == nil {
			body, err = json.Marshal(known)
		}
		if err != nil {
			s.t.Errorf("a request in protobuf: %v", err)
			return nil, false
		}
	}
	var o Object
	if err := json.Unmarshal(body, &o); err != nil {
		s.t.Errorf("a request with %q: %v", body, err)
		return nil, false
	}
	return o, true
}

func (s *Server) answer(w http.ResponseWriter, code int, o any) {
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(o); err != nil {
		s.t.Logf("an answer was not taken: %v", err)
	}
}

func (s *Server) refuse(w http.ResponseWriter, code int, reason, what string) {
	s.answer(w, code, Object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": what, "code": code})
}
