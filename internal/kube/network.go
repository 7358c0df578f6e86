package kube

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// network is what has to be known of a cluster beside its policies. Whether these
// are judged by the address and port of a Service or by those of the pods behind
// it is each network's own (kubernetes.io/docs/concepts/services-networking/network-policies).
type network struct {
	namespace string
	services  []corev1.Service
	// dns gives the port on which the pods of the cluster's DNS listen, 0 where it
	// could not be found out. It is asked only where it matters.
	dns func() int32
}

const (
	dnsPort = 53
	// meshedDNSPort is where the DNS pods of some clusters listen, OpenShift's among
	// them (its Service dns-default has 53 before it).
	meshedDNSPort = 5353
)

// dnsServices are the Services of the clusters' DNS.
var dnsServices = []struct{ namespace, name string }{{"kube-system", "kube-dns"}, {"openshift-dns", "dns-default"}}

// dnsOnce finds out on which port the pods of the cluster's DNS listen, once.
// Other namespaces may be out of sight, which is no error.
func (c *Client) dnsOnce(ctx context.Context) func() int32 {
	return sync.OnceValue(func() int32 {
		for _, s := range dnsServices {
			slices, err := all[discoveryv1.EndpointSlice](ctx, discoveryv1.LabelServiceName+"="+s.name, listOf(c.kube.DiscoveryV1().EndpointSlices(s.namespace).List))
			if err != nil {
				c.log.DebugContext(ctx, "ports of the cluster's DNS not read", "namespace", s.namespace, "error", err)
			}
			for _, slice := range slices {
				for _, p := range slice.Ports {
					if p.Port != nil && p.Name != nil && strings.HasPrefix(*p.Name, "dns") {
						return *p.Port
					}
				}
			}
		}
		return 0
	})
}

// asksDNS judges whether policies let pods ask a DNS server, and says why it
// cannot be told.
func (n network) asksDNS(over []networkingv1.NetworkPolicy) (answer, string) {
	at := func(port int32) answer {
		return anyRule(over, func(r networkingv1.NetworkPolicyEgressRule) answer { return portAllowed(r, port, "") })
	}
	service, meshed := at(dnsPort), at(meshedDNSPort)
	switch {
	case service == yes && meshed == yes:
		return yes, ""
	case service == perhaps && meshed == perhaps:
		return perhaps, "it allows a named port, and whether that is DNS is not known"
	}
	pods := n.dns()
	switch {
	case pods == 0 && service == no && meshed != no:
		return perhaps, "it allows port 5353 and not 53, and on which port the pods of the cluster's DNS listen could not be found out"
	case pods == 0 || pods == dnsPort, service != no && at(pods) != no:
		return service, ""
	case service == no:
		return at(pods), ""
	default:
		return perhaps, "it allows port 53, and the pods of the cluster's DNS listen on another, by which some networks judge"
	}
}

// behind is the Service of the namespace that a host is, by its name or by its
// address, or nil.
func (n network) behind(host string) *corev1.Service {
	address, err := netip.ParseAddr(host)
	for i, s := range n.services {
		full := s.Name + "." + n.namespace
		if err == nil {
			if is, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil && is == address.Unmap() {
				return &n.services[i]
			}
		} else if host == s.Name || host == full || host == full+".svc" || strings.HasPrefix(host, full+".svc.") {
			return &n.services[i]
		}
	}
	return nil
}

// inside tells whether pods may stand behind a host: it is a name of the
// cluster's own, or an address of the kind that clusters give to Services.
func (n network) inside(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return n.behind(host) != nil || address.Unmap().IsPrivate() || shared.Contains(address.Unmap())
	}
	return inCluster(host)
}

// shared is the address space that providers and clusters use beside the private
// ones (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// portOpen judges the port of a host. Behind a Service it may be another one.
func (n network) portOpen(r networkingv1.NetworkPolicyEgressRule, host string, port int32) answer {
	open := portAllowed(r, port, corev1.ProtocolTCP)
	if s := n.behind(host); s != nil {
		for _, p := range s.Spec.Ports {
			switch behind := p.TargetPort; {
			case p.Port != port || behind.IntVal == port || behind == intstr.IntOrString{}:
			case behind.StrVal != "": // its pods say which port that is
				return known(open, len(r.Ports) == 0)
			default:
				return known(open, portAllowed(r, behind.IntVal, corev1.ProtocolTCP) == open)
			}
		}
		return open
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host+".", ".svc.") { // of another namespace
		return known(open, open != no)
	}
	return open
}

// known is an answer where it is certain.
func known(a answer, certain bool) answer {
	if certain {
		return a
	}
	return perhaps
}
