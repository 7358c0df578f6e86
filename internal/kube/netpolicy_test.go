package kube

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// What policies make of a way is denied, allowed (nothing is said), or cannot be
// told; the rules are those of networking.k8s.io/v1.
func TestPoliciesAreReadAsTheClusterReadsThem(t *testing.T) {
	const dns = `{ports: [{port: 53, protocol: UDP}]}`
	one, two := []string{"10.1.2.3"}, []string{"10.1.2.3", "192.0.2.1"}
	for _, row := range []struct {
		name, egress, host string
		addresses          []string
		denied, undecided  bool
	}{
		{"nothing is allowed", `[]`, "pg.example.com:5432", one, true, false},
		{"nothing is allowed, and nobody knows the address", `[]`, "pg.example.com:5432", nil, true, false},
		{"everything is", `[{}]`, "pg.example.com:5432", nil, false, false},
		{"the port", `[{ports: [{port: 5432}]}, ` + dns + `]`, "pg.example.com:5432", nil, false, false},
		{"another port", `[{ports: [{port: 443}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
		{"the port of another protocol", `[{ports: [{port: 5432, protocol: UDP}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
		{"a range of ports", `[{ports: [{port: 5000, endPort: 6000}]}, ` + dns + `]`, "pg.example.com:5432", one, false, false},
		{"a range that ends before", `[{ports: [{port: 5000, endPort: 5431}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
		{"a named port", `[{ports: [{port: pg}]}, ` + dns + `]`, "pg.example.com:5432", one, false, true},
		{"no DNS", `[{ports: [{port: 5432}]}]`, "pg.example.com:5432", one, true, false},
		{"no DNS, and none needed", `[{ports: [{port: 5432}]}]`, "10.1.2.3:5432", nil, false, false},
		{"its block", `[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}, ` + dns + `]`, "pg.example.com:5432", one, false, false},
		{"its block, but for it", `[{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
		{"another block", `[{to: [{ipBlock: {cidr: 172.16.0.0/12}}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
		{"another block for an address", `[{to: [{ipBlock: {cidr: 172.16.0.0/12}}]}]`, "10.1.2.3:5432", nil, true, false},
		{"a block, and nobody knows the address", `[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}, ` + dns + `]`, "pg.example.com:5432", nil, false, true},
		{"every address, and nobody knows it", `[{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}, ` + dns + `]`, "pg.example.com:5432", nil, false, false},
		{"one address of two", `[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}, ` + dns + `]`, "pg.example.com:5432", two, false, true},
		{"IPv6", `[{to: [{ipBlock: {cidr: "fd00::/8"}}]}]`, "[fd00::1]:5432", nil, false, false},
		{"pods, and it is outside", `[{to: [{podSelector: {}}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
		{"another namespace, and it is a Service", `[{to: [{namespaceSelector: {}}]}, ` + dns + `]`, "pg.databases.svc.cluster.local:5432", one, false, true},
		{"a block and a port of which only one fits", `[{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 443}]}, {to: [{ipBlock: {cidr: 172.16.0.0/12}}], ports: [{port: 5432}]}, ` + dns + `]`, "pg.example.com:5432", one, true, false},
	} {
		p := networkingv1.NetworkPolicy{ObjectMeta: metaOf("p")}
		if err := yaml.UnmarshalStrict([]byte(row.egress), &p.Spec.Egress); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		v := network{dns: func() int32 { return 0 }}.judgeHost([]networkingv1.NetworkPolicy{p}, mover.Reached{Host: row.host, Addresses: row.addresses})
		if got := v != nil && v.Undecided == "" && v.Why != ""; got != row.denied {
			t.Errorf("%s: denied %t: %+v", row.name, got, v)
		}
		if got := v != nil && v.Undecided != ""; got != row.undecided {
			t.Errorf("%s: undecided %t: %+v", row.name, got, v)
		}
	}
}

// A policy limits egress when it says so, or when it has rules for it and says
// nothing; one that allows is enough.
func TestPoliciesGovernWhatTheySelect(t *testing.T) {
	read := func(text string) networkingv1.NetworkPolicy {
		p := networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	set := map[string]string{"app": "frontend"}
	for text, want := range map[string]int{
		`{spec: {podSelector: {}, policyTypes: [Ingress]}}`:                                       0,
		`{spec: {podSelector: {}, policyTypes: [Egress]}}`:                                        1,
		`{spec: {podSelector: {}}}`:                                                               0,
		`{spec: {podSelector: {}, egress: [{}]}}`:                                                 1,
		`{spec: {podSelector: {matchLabels: {app: api}}, policyTypes: [Egress]}}`:                 0,
		`{spec: {podSelector: {matchExpressions: [{key: app, operator: Exists}]}, egress: [{}]}}`: 1,
	} {
		if got := len(governing([]networkingv1.NetworkPolicy{read(text)}, set)); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
	both := []networkingv1.NetworkPolicy{read(`{spec: {podSelector: {}, policyTypes: [Egress]}}`), read(`{spec: {podSelector: {}, egress: [{}]}}`)}
	if v := (network{dns: func() int32 { return 0 }}).judgeHost(both, mover.Reached{Host: "pg.example.com:5432"}); v != nil {
		t.Errorf("one that allows is not enough: %+v", v)
	}
}

// A name is asked for at the port of the DNS pods or of their Service, whichever
// the network judges by; and what stands behind a Service has its own port.
func TestPoliciesKnowWhatStandsBehindAService(t *testing.T) {
	const only = `{ports: [{port: 5432}]}`
	service := func(name, ip string, port int32, target intstr.IntOrString) corev1.Service {
		return corev1.Service{ObjectMeta: metaOf(name), Spec: corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{{Port: port, TargetPort: target}}}}
	}
	services := []corev1.Service{
		service("pooler", "10.96.0.7", 5432, intstr.FromInt32(6432)), service("named", "203.0.113.8", 5432, intstr.FromString("pg")), service("plain", "10.96.0.9", 5432, intstr.IntOrString{}),
	}
	for _, row := range []struct {
		name, egress, host string
		dns                int32
		denied, undecided  bool
	}{
		{"port 5353, where the DNS pods listen there", `[` + only + `, {ports: [{port: 5353}]}]`, "pg.example.com:5432", 5353, false, false},
		{"port 5353, where they listen on 53", `[` + only + `, {ports: [{port: 5353}]}]`, "pg.example.com:5432", 53, true, false},
		{"port 5353, and nobody knows", `[` + only + `, {ports: [{port: 5353}]}]`, "pg.example.com:5432", 0, false, true},
		{"port 53, where they listen on 5353", `[` + only + `, {ports: [{port: 53}]}]`, "pg.example.com:5432", 5353, false, true},
		{"port 53, and nobody knows", `[` + only + `, {ports: [{port: 53}]}]`, "pg.example.com:5432", 0, false, false},
		{"both", `[` + only + `, {ports: [{port: 53}, {port: 5353}]}]`, "pg.example.com:5432", 5353, false, false},
		{"another port of theirs", `[` + only + `, {ports: [{port: 8053}]}]`, "pg.example.com:5432", 8053, false, false},
		{"neither", `[` + only + `]`, "pg.example.com:5432", 5353, true, false},
		{"DNS cannot be told, and the port is denied", `[{ports: [{port: 5353}]}]`, "pg.example.com:5432", 0, true, false},
		{"an address of a Service, and pods are allowed", `[{to: [{podSelector: {}}]}]`, "10.96.0.7:5432", 53, false, true},
		{"a private address that is no Service of ours", `[{to: [{namespaceSelector: {}}]}]`, "10.96.3.3:5432", 53, false, true},
		{"a public address of a Service", `[{to: [{podSelector: {}}]}]`, "203.0.113.8:5432", 53, false, true},
		{"a public address", `[{to: [{podSelector: {}}]}]`, "203.0.113.9:5432", 53, true, false},
		{"the Service's port, and the pods have another", `[` + only + `]`, "10.96.0.7:5432", 53, false, true},
		{"the pods' port, by the Service's name", `[{ports: [{port: 6432}]}, {ports: [{port: 53}]}]`, "pooler.ci.svc.cluster.local:5432", 53, false, true},
		{"neither of the two", `[{ports: [{port: 1}]}, {ports: [{port: 53}]}]`, "pooler:5432", 53, true, false},
		{"both of the two", `[{ports: [{port: 5432}, {port: 6432}]}]`, "10.96.0.7:5432", 53, false, false},
		{"a named port of the pods", `[` + only + `]`, "203.0.113.8:5432", 53, false, true},
		{"a named port of the pods, and all are allowed", `[{}]`, "203.0.113.8:5432", 53, false, false},
		{"no other port", `[` + only + `]`, "10.96.0.9:5432", 53, false, false},
		{"another namespace's Service", `[{ports: [{port: 6432}]}, {ports: [{port: 53}]}]`, "pg.databases.svc:5432", 53, false, true},
	} {
		p := networkingv1.NetworkPolicy{ObjectMeta: metaOf("p")}
		if err := yaml.UnmarshalStrict([]byte(row.egress), &p.Spec.Egress); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		n := network{namespace: "ci", services: services, dns: func() int32 { return row.dns }}
		v := n.judgeHost([]networkingv1.NetworkPolicy{p}, mover.Reached{Host: row.host})
		if got := v != nil && v.Undecided == "" && v.Why != ""; got != row.denied {
			t.Errorf("%s: denied %t: %+v", row.name, got, v)
		}
		if got := v != nil && v.Undecided != ""; got != row.undecided {
			t.Errorf("%s: undecided %t: %+v", row.name, got, v)
		}
	}
}

func TestWhereThePodsOfTheDNSListen(t *testing.T) {
	slice := func(namespace, service, name string, port int32) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service + "-x", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
			Ports: []discoveryv1.EndpointPort{{Name: pointer("metrics"), Port: pointer[int32](9153)}, {Name: &name, Port: &port}}}
	}
	for _, row := range []struct {
		objects []runtime.Object
		denied  bool
		want    int32
	}{
		{[]runtime.Object{slice("kube-system", "kube-dns", "dns-tcp", 53)}, false, 53},
		{[]runtime.Object{slice("openshift-dns", "dns-default", "dns", 5353)}, false, 5353},
		{[]runtime.Object{slice("kube-system", "kube-dns", "dns", 53)}, true, 0},
		{nil, false, 0},
	} {
		k := fake.NewClientset(row.objects...)
		if row.denied {
			k.PrependReactor("list", "endpointslices", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "endpointslices"}, "", nil)
			})
		}
		ask := newClient(Options{Namespace: "ci"}, k).dnsOnce(t.Context())
		if got, again := ask(), ask(); got != row.want || again != got {
			t.Errorf("%+v: %d, %d", row, got, again)
		}
	}
}

// Policies are about pods with an address of their own.
func TestAPodOnItsNodesNetworkIsUnderNoPolicy(t *testing.T) {
	app := map[string]string{"app": "frontend"}
	d := frontend()
	d.Spec.Template.Spec.HostNetwork = true
	c := newClient(Options{Namespace: "ci", Name: "ci-prod"}, fake.NewClientset(d, service(app), policy(app)))
	stands := c.Stands(t.Context())
	if !stands.Is() || len(stands.Value) != 1 || stands.Value[0].Refused != "" || !slices.Equal(stands.Value[0].Dropped, []string{"app"}) {
		t.Fatalf("stands are %+v", stands)
	}
	if got := c.Policies(t.Context(), stands.Value, []mover.Reached{{Host: "pg.example.com:5432"}}); !got.Is() || len(got.Value) != 0 {
		t.Errorf("verdicts are %+v", got)
	}
}
