package spec

// References are what the datastores outside the release refer to: passwords,
// CA bundles, certificates. Each is listed once, in the order of the file.
func (s *Spec) References() []SecretRef {
	var out []SecretRef
	seen := map[string]bool{}
	add := func(refs ...*SecretRef) {
		for _, r := range refs {
			if r == nil || r.IsZero() || seen[r.String()] {
				continue
			}
			seen[r.String()] = true
			out = append(out, *r)
		}
	}
	if pg := s.Datastores.PostgreSQL; pg != nil && pg.External != nil {
		add(&pg.External.Password, pg.External.TLS.CA)
	}
	if mg := s.Datastores.MongoDB; mg != nil && mg.External != nil {
		add(&mg.External.Password, mg.External.TLS.CA, mg.External.TLS.ClientCertificate)
	}
	return out
}
