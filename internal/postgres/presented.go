package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strconv"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// presented is the chain of certificates that a session's server showed, none
// without TLS.
func (s *server) presented(conn *pgx.Conn) []mover.Presented {
	secured, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		return nil
	}
	p := mover.Presented{Host: net.JoinHostPort(s.endpoint.Host, strconv.Itoa(s.endpoint.Port))}
	p.Show(secured.ConnectionState().PeerCertificates, systemTrusts)
	return []mover.Presented{p}
}

// systemTrusts tells whether the authorities of our own image, which are those
// of every ordinary image, vouch for a chain.
func systemTrusts(chain []*x509.Certificate) bool {
	roots, err := x509.SystemCertPool()
	if err != nil || len(chain) == 0 {
		return false
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err == nil
}
