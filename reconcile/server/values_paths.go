package server

// ValuesPaths are the values a datastore's location is made of, in the order
// in which the chart documents them.
func ValuesPaths() []string {
	var out []string
	for _, k := range storeKinds {
		out = append(out, k.values.paths()...)
	}
	return out
}

// ValuesSecrets are the values that hold a password when somebody wrote one
// into the file. Only whether and where they are set is ever read.
func ValuesSecrets() []string {
	var out []string
	for _, k := range storeKinds {
		out = append(out, k.plainPasswords...)
	}
	return out
}
