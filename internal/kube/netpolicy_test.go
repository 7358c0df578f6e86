package kube

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile"
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
		v := judgeHost([]networkingv1.NetworkPolicy{p}, reconcile.Reached{Host: row.host, Addresses: row.addresses})
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
	if v := judgeHost(both, reconcile.Reached{Host: "pg.example.com:5432"}); v != nil {
		t.Errorf("one that allows is not enough: %+v", v)
	}
}
