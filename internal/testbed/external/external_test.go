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
	for _, s := range MongoServers {
		got = append(got, fmt.Sprint(s.certificate().Names, s.member()))
	}
	want := "[[pg12.testbed 198.18.0.1]TLSv1.2 [pg14.testbed 198.18.0.1]TLSv1.3 [pg14b.testbed 198.18.0.1]TLSv1.3 [pg15.testbed 198.18.0.1]TLSv1.2"
	for _, m := range [][2]string{{"44", "27044"}, {"44b", "27144"}, {"50", "27050"}, {"60", "27060"}} {
		want += fmt.Sprintf(` [mongo%[1]s.testbed 198.18.0.1] {"_id":{"$numberInt":"0"},"host":"198.18.0.1:%[2]s","horizons":{"pods":"mongo%[1]s.testbed:%[2]s"}}`, m[0], m[1])
	}
	want += "]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
