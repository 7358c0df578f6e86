package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// sourceKeys is where the chart's keys are documented, in contradiction to its
// own operator guide.
const sourceKeys = "CircleCI Server 4.10 installation reference, values postgresql.auth.existingSecret and mongodb.auth.existingSecret"

// readsNow are the keys of Secrets that workloads read after the switch: as
// the upgrade was foreseen, else as the release has it.
func readsNow(o Observation) []server.SecretRead {
	if o.Preview.Is() {
		return o.Preview.Value.Reads
	}
	return o.Release.Value.Reads
}

// credentialKeys are the keys under which our Secret has to hold the external
// password: those that are documented and those by which this chart asks for a
// password.
func credentialKeys(o Observation, e mover.Engine) []string {
	out := slices.Clone(kindOf(e).Keys)
	for _, r := range readsNow(o) {
		if r.Secret == kindOf(e).Credentials && strings.Contains(strings.ToLower(r.Key), "password") && !slices.Contains(out, r.Key) {
			out = append(out, r.Key)
		}
	}
	return out
}

// observeKeys compares our Secrets once more where the chart reads a password
// under a key that is not documented.
func observeKeys(ctx context.Context, s *spec.Spec, p server.Providers, o *Observation) {
	for _, e := range engines {
		keys, d := credentialKeys(*o, e), server.Declared(s, e)
		if d != nil && d.External != nil && len(keys) > len(kindOf(e).Keys) {
			o.store(e).Credentials = p.Passwords.Compare(ctx, kindOf(e).Credentials, keys, d.External.Password)
		}
	}
}

// checkKeys holds every key that the application will read against what will be
// in the Secret. Under the keys for passwords is, or will be, the one that the
// inspection logs in with.
func checkKeys(o Observation, p Part) []engine.Finding {
	if p.To != spec.External {
		return checkInternalKeys(o, p)
	}
	t, c := kindOf(p.Engine), o.store(p.Engine).Credentials
	if c.Unread() {
		return nil // which is refused by itself
	}
	var out []engine.Finding
	for _, r := range readsNow(o) {
		if r.Secret != t.Credentials || r.Key == "" || slices.Contains(credentialKeys(o, p.Engine), r.Key) {
			continue
		}
		what := fmt.Sprintf("%s reads key %s of Secret %s", strings.Join(clip(r.By, 3), ", "), r.Key, r.Secret)
		switch holds, there := c.Value.Others[r.Key]; {
		case !there && !r.Optional:
			out = append(out, block("secret-key", server.FieldOf(p.Engine, "external", "password"), sourceKeys,
				fmt.Sprintf("put it there, beside the password under %s: what else is in the Secret is left alone", strings.Join(credentialKeys(o, p.Engine), " and ")),
				"%s, which is not there and which the move does not know how to fill: its pods would not start", what))
		case holds == server.HoldsOtherPassword:
			out = append(out, block("secret-key", server.FieldOf(p.Engine, "external", "password"), sourceKeys,
				"write the connection string anew, with the password that "+server.FieldOf(p.Engine, "external", "password")+" refers to",
				"%s, and the connection string there holds another password than the one that logs in to %s", what, p.External))
		}
	}
	return out
}

// checkInternalKeys asks that the Secret of the internal server, where it is
// kept, has the keys that the application will read.
func checkInternalKeys(o Observation, p Part) []engine.Finding {
	has := o.store(p.Engine).Internal.Value.Secret
	made := func(name string) bool {
		return slices.ContainsFunc(o.Preview.Value.Objects, func(obj server.ObjectPreview) bool {
			return obj.Ref() == "Secret/"+name && obj.Action != server.ObjectKept
		})
	}
	var out []engine.Finding
	for _, r := range readsNow(o) {
		if !has.Is() || r.Secret != has.Value.Name || r.Key == "" || r.Optional || made(r.Secret) || slices.Contains(has.Value.Keys, r.Key) {
			continue
		}
		out = append(out, block("secret-key", server.FieldOf(p.Engine, "location"), sourceKeys, "put the password of the internal server there under that key",
			"%s reads key %s of Secret %s, which is not there: its pods would not start", strings.Join(clip(r.By, 3), ", "), r.Key, r.Secret))
	}
	return out
}
