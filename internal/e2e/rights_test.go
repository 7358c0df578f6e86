//go:build testbed

package e2e

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// grant creates what rbac prints for a command, and gives a kubeconfig that
// has exactly these rights.
func (s *site) grant(command string) string {
	s.t.Helper()
	var list struct{ Items []json.RawMessage }
	if err := json.Unmarshal([]byte(s.want(0, "rbac", "--command", command, "--service-account", command, "--output", "json").out), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, item := range list.Items {
		s.create(item)
	}
	token, err := s.kube.CoreV1().ServiceAccounts(s.ns).CreateToken(s.t.Context(), command, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.secrets = append(s.secrets, token.Status.Token)
	config, err := clientcmd.LoadFromFile(env(s.t, "KUBECONFIG"))
	if err != nil {
		s.t.Fatal(err)
	}
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &api.AuthInfo{Token: token.Status.Token}
	}
	path := filepath.Join(s.dir, command+".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// create makes one printed object. What has no namespace outlives a test that
// was killed, and is made anew.
func (s *site) create(item json.RawMessage) {
	s.t.Helper()
	ctx, opts := s.t.Context(), metav1.CreateOptions{}
	var kind metav1.TypeMeta
	s.decode(item, &kind)
	var err error
	switch kind.Kind {
	case "ServiceAccount":
		var v corev1.ServiceAccount
		s.decode(item, &v)
		_, err = s.kube.CoreV1().ServiceAccounts(s.ns).Create(ctx, &v, opts)
	case "Role":
		var v rbacv1.Role
		s.decode(item, &v)
		_, err = s.kube.RbacV1().Roles(s.ns).Create(ctx, &v, opts)
	case "RoleBinding":
		var v rbacv1.RoleBinding
		s.decode(item, &v)
		_, err = s.kube.RbacV1().RoleBindings(s.ns).Create(ctx, &v, opts)
	case "ClusterRole":
		var v rbacv1.ClusterRole
		s.decode(item, &v)
		if _, err = s.kube.RbacV1().ClusterRoles().Create(ctx, &v, opts); apierrors.IsAlreadyExists(err) {
			_, err = s.kube.RbacV1().ClusterRoles().Update(ctx, &v, metav1.UpdateOptions{})
		}
	case "ClusterRoleBinding":
		var v rbacv1.ClusterRoleBinding
		s.decode(item, &v)
		if _, err = s.kube.RbacV1().ClusterRoleBindings().Create(ctx, &v, opts); apierrors.IsAlreadyExists(err) {
			err = nil
		}
	default:
		s.t.Fatalf("rbac printed a %q", kind.Kind)
	}
	if err != nil {
		s.t.Fatalf("create the %s: %v", kind.Kind, err)
	}
}

// unpacked is everything a gzipped archive holds.
func (s *site) unpacked(name string) string {
	s.t.Helper()
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := io.ReadAll(zip)
	if err != nil || len(all) < 10000 {
		s.t.Fatalf("%s has %d bytes: %v", name, len(all), err)
	}
	return string(all)
}

func (s *site) decode(data []byte, into any) {
	s.t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		s.t.Fatal(err)
	}
}

// everyCommandWithItsRights demands that every command works with exactly the
// rights that rbac prints for it, from the first look to the finished move.
func (s *site) everyCommandWithItsRights() {
	s.t.Helper()
	drift, support, plan, apply, prove := s.grant("drift"), s.grant("support"), s.grant("plan"), s.grant("apply"), s.grant("prove")
	s.want(0, "status", "--kubeconfig", drift)
	o := s.want(0, "plan", "--out", "plan.json", "--output", "json", "--kubeconfig", plan)
	s.contains("the plan", o.out, `"access-apply"`, `"blocked": false`)
	s.want(2, "drift", "--kubeconfig", drift) // the inspection is recorded, the move is pending
	s.want(0, "support", "--out", "support.tar.gz", "--kubeconfig", support)
	s.noSecrets("the support bundle", s.unpacked("support.tar.gz"))
	o = s.run(nil, "apply", "--plan", "plan.json", "--accept", acceptAll, "--kubeconfig", plan)
	if o.code == 0 {
		s.t.Fatalf("applied with the rights of a plan: %s", o)
	}
	// Nothing is on the target yet; that it is the Job that says so is enough.
	o = s.want(1, "prove", "--kubeconfig", prove)
	s.contains("prove", o.err, "run Job circleci-dr-prove-again", "does not exist")
	before := s.replicas()
	o = s.run(nil, "apply", "--plan", "plan.json", "--accept", acceptAll, "--kubeconfig", apply)
	if o.code != 0 {
		s.t.Fatalf("apply: %s", o)
	}
	s.settled(before)
	s.want(0, "plan", "--detailed-exitcode", "--no-inspect", "--kubeconfig", drift)
	s.want(0, "drift", "--kubeconfig", drift)
	o = s.want(4, "prove", "--kubeconfig", prove)
	s.contains("prove", o.err, "it does not run, so there is nothing to compare with")
}
