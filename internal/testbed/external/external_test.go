package external

import (
	"fmt"
	"testing"
)

func TestCertificatesNameTheServers(t *testing.T) {
	var got []string
	for _, s := range Servers {
		got = append(got, fmt.Sprint(s.certificate().Names, s.MinTLS))
	}
	want := "[[pg12.testbed 198.18.0.1]TLSv1.2 [pg14.testbed 198.18.0.1]TLSv1.3 [pg15.testbed 198.18.0.1]TLSv1.2]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
