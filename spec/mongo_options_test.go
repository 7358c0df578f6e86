package spec

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

// withOptions is a file whose MongoDB has these hosts and options.
func withOptions(hosts, options string) []byte {
	return []byte(`apiVersion: circleci-dr/v1
name: ci
server: {kubeContext: prod, namespace: circleci-server, release: circleci-server}
datastores:
  mongodb:
    location: external
    external:
      hosts: [` + hosts + `]
      username: circleci
      password: {env: MONGO}
      options: '` + options + `'
`)
}

func TestOptionsOfMongoDB(t *testing.T) {
	const host = `"m.example.com:27017"`
	for _, row := range []struct{ hosts, options, want string }{
		{host, "socketTimeoutMS=400&readConcernLevel=majority&w=majority&journal=true&maxPoolSize=50&readPreference=secondaryPreferred&readPreferenceTags=dc:a&readPreferenceTags=", ""},
		{host, "SOCKETTIMEOUTMS=0&compressors=zstd,snappy&maxStalenessSeconds=-1&uuidRepresentation=standard&w=dc2&zlibCompressionLevel=-1", ""},
		{host, "directConnection=true", ""},
		{host, "socketTimeout=400", `did you mean "socketTimeoutMS"?`},
		{host, "retryWrite=false", `did you mean "retryWrites"?`},
		{host, "colour=blue", "must hold options that MongoDB's drivers know (got option \"colour\")"},
		{host, "socketTimeoutMS=-1", "must be a whole number from 0 (got option socketTimeoutMS with another value"},
		{host, "socketTimeoutMS=30s", "must be a whole number from 0"},
		{host, "connectTimeoutMS=99999999999", "must be a whole number from 0"},
		{host, "heartbeatFrequencyMS=100", "must be a whole number from 500"},
		{host, "maxStalenessSeconds=30", "must be -1 or a whole number from 90"},
		{host, "zlibCompressionLevel=10", "must be a whole number from -1 to 9"},
		{host, "retryWrites=no", "must be one of true, false"},
		{host, "readPreference=master", "must be one of primary, primaryPreferred"},
		{host, "readConcernLevel=strong", "must be one of local, majority"},
		{host, "compressors=gzip", "must be a list of snappy, zlib, zstd"},
		{host, "w=-1", "must be a number of members from 0 to 50"},
		{host, "w=", "must give the option a value"},
		{host, "w=1&w=2", "must give each option once (got option w 2 times)"},
		{host, "srvMaxHosts=2", "must not hold what only a mongodb+srv:// address has"},
		{host, "loadBalanced=true", "must not ask for a load balancer"},
		{host, "hunter2", "must be NAME=VALUE"},
		{host + `, "n.example.com"`, "directConnection=true", "must not ask for a direct connection to several hosts"},
		{host, "replicaSet=rs0", "use replicaSet"},
		{`"mongodb+srv://cluster0.ab1cd.mongodb.net/x?y=z"`, "", "`dig +short SRV _mongodb._tcp.cluster0.ab1cd.mongodb.net`"},
		{`"mongodb+srv://user:hunter2@cluster0.ab1cd.mongodb.net"`, "", "`dig +short TXT cluster0.ab1cd.mongodb.net`"},
	} {
		_, err := Parse("f.yaml", withOptions(row.hosts, row.options))
		var problems *Problems
		switch {
		case err != nil && !errors.As(err, &problems):
			t.Errorf("%s: %v", row.options, err)
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.options, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: got %v, want %q", row.options, err, row.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("a secret is shown: %v", err)
		}
	}
}

func TestOwnOptionsOfMongoDB(t *testing.T) {
	got, err := OwnMongoOptions("socketTimeoutMS=400&readConcernLevel=majority&w=0&DirectConnection=true&tlsInsecure=true&timeoutMS=1&appName=x&unknown=1")
	if want := map[string]string{"directconnection": "true", "tlsinsecure": "true"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := OwnMongoOptions("w=%zz"); err == nil {
		t.Error("a broken text is no options")
	}
}
