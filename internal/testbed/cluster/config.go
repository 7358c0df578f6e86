package cluster

import (
	"bytes"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"

	"github.com/circleci-dr/circleci-dr/internal/testbed/pki"
)

//go:embed conf
var confFiles embed.FS

var conf = template.Must(template.ParseFS(confFiles, "conf/*"))

func render(name string, data any) ([]byte, error) {
	var out bytes.Buffer
	if err := conf.ExecuteTemplate(&out, name, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// configured are the configuration files by template, with their place in
// RunDir.
var configured = []struct{ template, file string }{
	{"containerd.toml", "containerd.toml"},
	{"kubelet.yaml", "kubelet.yaml"},
	{"proxy.yaml", "proxy.yaml"},
	{"Corefile", "Corefile"},
	{"cni.json", "cni.d/10-testbed.conflist"},
}

// writeConfig writes the configuration files. The content of each is kept, so
// that a part is restarted when its file has changed.
func (c *Cluster) writeConfig() error {
	data := map[string]any{
		"Run": RunDir, "Store": c.Store, "NodeIP": NodeIP, "Node": NodeName, "Domain": domain, "Bridge": Bridge,
		"PodCIDR": podCIDR, "Pause": c.Pause, "Names": c.Names,
	}
	c.config = map[string]string{}
	for _, f := range configured {
		text, err := render(f.template, data)
		if err != nil {
			return err
		}
		if err := writeFile(path(f.file), text, 0o644); err != nil {
			return err
		}
		c.config[f.template] = string(text)
	}
	return writeFile(path("resolv.conf"), nil, 0o644)
}

func writeFile(file string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.WriteFile(file+".tmp", data, mode); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// certificates are what the parts of the cluster need, by file name.
var certificates = map[string]pki.Request{
	"apiserver": {CommonName: "kube-apiserver", Names: []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + domain,
		"localhost", "127.0.0.1", NodeIP, apiServiceIP,
	}},
	"kubelet-server":    {CommonName: NodeName, Names: []string{NodeName, NodeIP}},
	"apiserver-kubelet": {CommonName: "kube-apiserver-kubelet-client", Organization: "system:masters"},
	"admin":             {CommonName: "admin", Organization: "system:masters"},
	"controllers":       {CommonName: "system:kube-controller-manager"},
	"scheduler":         {CommonName: "system:kube-scheduler"},
	"proxy":             {CommonName: "system:kube-proxy"},
	"kubelet":           {CommonName: "system:node:" + NodeName, Organization: "system:nodes"},
	"coredns":           {CommonName: "testbed:coredns"},
	"provisioner":       {CommonName: "testbed:provisioner"},
}

// kubeconfigs are the certificates that also get a kubeconfig.
var kubeconfigs = []string{"admin", "controllers", "scheduler", "proxy", "kubelet", "coredns"}

// writePKI makes all certificates of a boot at once: the directory is there
// whole or not at all.
func writePKI() error {
	dir := path("pki")
	if _, err := os.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the certificates: %w", err)
	}
	tmp := dir + ".tmp"
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o700)); err != nil {
		return fmt.Errorf("make the certificates' directory: %w", err)
	}
	ca, pair, err := pki.NewAuthority("circleci-dr testbed cluster")
	if err != nil {
		return err
	}
	pairs := map[string]pki.Pair{"ca": pair}
	for name, request := range certificates {
		if pairs[name], err = ca.Issue(request); err != nil {
			return err
		}
	}
	if pairs["accounts"], err = pki.NewSigningKey(); err != nil {
		return err
	}
	for name, p := range pairs {
		if err := p.Write(tmp, name); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("keep the certificates: %w", err)
	}
	return nil
}

// writeKubeconfigs writes a kubeconfig per client.
func writeKubeconfigs() error {
	for _, name := range kubeconfigs {
		data := map[string]string{"Context": Context, "Server": APIServer, "User": name}
		for key, file := range map[string]string{"CA": "ca.crt", "Cert": name + ".crt", "Key": name + ".key"} {
			content, err := os.ReadFile(path("pki", file))
			if err != nil {
				return fmt.Errorf("write the kubeconfig of %s: %w", name, err)
			}
			data[key] = base64.StdEncoding.EncodeToString(content)
		}
		text, err := render("kubeconfig", data)
		if err != nil {
			return err
		}
		if err := writeFile(path(name+".kubeconfig"), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
