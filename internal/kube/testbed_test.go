//go:build testbed

package kube

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// shellImage is an image of the testbed with a shell, for stand-in movers.
const shellImage = "tb/postgresql:12"

// bed is one test's namespace on the testbed.
type bed struct {
	t         *testing.T
	namespace string
	admin     kubernetes.Interface
}

func newBed(t *testing.T) *bed {
	t.Helper()
	admin, err := New(Options{Kubeconfig: kubeconfig(t), Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "kube-test-"}}
	ns, err = admin.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := admin.kube.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
		if err != nil {
			t.Error(err)
		}
	})
	return &bed{t: t, namespace: ns.Name, admin: admin.kube}
}

func kubeconfig(t *testing.T) string {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Fatal("KUBECONFIG is not set; these tests want the testbed's")
	}
	return path
}

// client connects with the given changes to the usual options.
func (b *bed) client(change func(*Options)) *Client {
	b.t.Helper()
	o := Options{
		Kubeconfig: kubeconfig(b.t), Namespace: b.namespace, Release: "ci", Name: "ci-test",
		Image: shellImage, Owner: "tester@here/1",
	}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// mover is a client whose movers run a shell script.
func (b *bed) mover(script string) *Client {
	return b.client(func(o *Options) { o.Command = []string{"bash", "-c", script} })
}

func (b *bed) secret(name string, data map[string]string) {
	b.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}
	if _, err := b.admin.CoreV1().Secrets(b.namespace).Create(b.t.Context(), s, metav1.CreateOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

// variant writes a changed copy of the testbed's kubeconfig.
func variant(t *testing.T, change func(*api.Config)) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// gate is where a pod waits until the test lets it go on.
type gate struct {
	address  string
	listener net.Listener
	waiting  chan net.Conn
}

func (b *bed) gate() *gate {
	b.t.Helper()
	nodes, err := b.admin.CoreV1().Nodes().List(b.t.Context(), metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	var host string
	for _, a := range nodes.Items[0].Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			host = a.Address
		}
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		b.t.Fatal(err)
	}
	g := &gate{address: strings.Replace(listener.Addr().String(), ":", "/", 1), listener: listener, waiting: make(chan net.Conn, 8)}
	b.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			g.waiting <- conn
		}
	}()
	return g
}

// script is the shell command that waits at the gate.
func (g *gate) script() string {
	return fmt.Sprintf("read -r answer < /dev/tcp/%s\n", g.address)
}

// open lets the next pod at the gate go on.
func (g *gate) open(t *testing.T) {
	t.Helper()
	select {
	case conn := <-g.waiting:
		_, _ = io.WriteString(conn, "go\n")
		_ = conn.Close()
	case <-t.Context().Done():
		t.Fatal("no pod came to the gate")
	}
}

// proxy is a way to the API server that can be cut.
type proxy struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	conns    []net.Conn
	cuts     int
}

// throughProxy gives a kubeconfig that leads through a new proxy.
func throughProxy(t *testing.T) (*proxy, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener}
	t.Cleanup(func() { _ = listener.Close(); p.cut() })
	path := variant(t, func(config *api.Config) {
		for _, cluster := range config.Clusters {
			u, err := url.Parse(cluster.Server)
			if err != nil {
				t.Fatal(err)
			}
			p.target, cluster.TLSServerName = u.Host, u.Hostname()
			cluster.Server = "https://" + listener.Addr().String()
		}
	})
	go p.serve()
	return p, path
}

func (p *proxy) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	}
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
	p.cuts++
}
