package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// preflightBack checks what a way back needs of the cluster: the volume and the
// Secret that are there must be those the cluster's records know.
func preflightBack(o Observation, p Part) []engine.Finding {
	store, e := o.store(p.Engine), p.Engine
	in := store.Internal.Value
	var out []engine.Finding
	if in.StatefulSet.Is() {
		out = append(out, block("internal-runs", server.FieldOf(e, "location"), sourceBack, "find out who started it and what wrote to it; remove the StatefulSet, keep its volume, and plan again",
			"StatefulSet %s runs although the release reads %s", in.StatefulSet.Value.Name, p.External))
	}
	if len(in.Volumes) > 0 && p.Replaces == 0 && !ours(o, p) {
		var claims []string
		for _, v := range in.Volumes {
			claims = append(claims, v.Claim)
		}
		out = append(out, block("volume-unknown", server.FieldOf(e, "location"), sourceBack, "look what is on it; if nobody needs it, delete the claim and plan again",
			"claim %s is there and no move of ours left it: it may hold data nobody else has", strings.Join(claims, ", ")))
	}
	if p.Replaces > 0 {
		secret := p.InternalSecret
		switch has := in.Secret; {
		case has.Unread():
			out = append(out, block("secret-unread", server.FieldOf(e, "location"), sourceBack, "let this role read Secrets in the release's namespace, and plan again",
				"whether Secret %s still has the password of the kept volume could not be read: %s", secret.Name, cmp.Or(has.Why, "it was not looked at")))
		case !has.Is() || !slices.Contains(has.Value.Keys, secret.Key):
			out = append(out, block("secret-lost", server.FieldOf(e, "location"), sourceBack,
				fmt.Sprintf("put Secret %s with key %s back: the kept volume was initialised with that password", secret.Name, secret.Key),
				"the Secret with the password of the kept volume is not there"))
		}
	}
	return out
}

// ours tells whether an earlier attempt of this way back made the volume. What
// a finished one made holds what the application wrote since.
func ours(o Observation, p Part) bool {
	m := o.Move
	if !m.Is() || m.Value.Phase == MoveFinished {
		return false
	}
	was := m.Value.part(p.Engine)
	return was != nil && was.To == spec.Internal && was.Epoch <= p.Epoch
}

// preflightPostgresBack judges the external side as a source. A managed
// service's admin role is no superuser: what it may not read is in the way, and
// passwords of roles stay what they are on the kept volume.
func preflightPostgresBack(p Part, insp server.Inspection) []engine.Finding {
	out := sideTrouble(mover.PostgreSQL, "source", spec.External, insp.Source)
	if len(out) > 0 {
		return out
	}
	src := *insp.Source.Database
	out = append(out, checkSourceFree(p, src)...)
	out = append(out, checkWayBack(p, src)...)
	out = append(out, checkDump(insp, src.VersionNum, p.InternalVersion)...)
	out = append(out, checkBlocked(mover.PostgreSQL, slices.DeleteFunc(slices.Clone(src.Unsupported), func(u mover.UnsupportedObject) bool {
		return u.Fits(p.InternalVersion, mover.RolePrivileges{Superuser: true})
	}))...)
	out = append(out, checkUncarried(mover.PostgreSQL, src.Uncarried, true)...)
	if p.Replaces > 0 || src.Role.Superuser {
		return out
	}
	var logins []string
	for _, r := range src.Roles {
		if r.Login && r.Name != src.Role.Name {
			logins = append(logins, r.Name)
		}
	}
	if len(logins) > 0 {
		what, brief := sentences("there is no kept volume, and role %s of the external PostgreSQL is no superuser: the roles %s arrive without a password", src.Role.Name, some(logins, 8))
		out = append(out, engine.Finding{ID: "role-passwords", Field: server.FieldOf(mover.PostgreSQL, "location"), Source: sourceBack, What: what, Brief: brief,
			Fix: "set their passwords after the move; the application itself logs in as the internal superuser"})
	}
	return out
}

// checkWayBack compares with the version the internal server had when the data
// left it, which is what its volume and the chart's image are made for.
func checkWayBack(p Part, src mover.Database) []engine.Finding {
	from, to := major(src.VersionNum), major(p.InternalVersion)
	switch {
	case p.InternalVersion == 0:
		return []engine.Finding{{ID: "internal-version-unknown", Field: server.FieldOf(p.Engine, "location"), Source: sourceBack,
			What: fmt.Sprintf("which version the internal %s will have is not on record; %s runs %s", p.Engine.Title(), p.External, src.ServerVersion),
			Fix:  "check the image of the chart: an older version than the external one stops the move, and it goes back by itself"}}
	case to < from:
		return []engine.Finding{block("internal-older", server.FieldOf(p.Engine, "location"), sourceBack,
			"upgrade the internal server first (its image in the chart's values), or stay outside",
			"%s runs version %s, and the internal %s was %d: there is no way back to an older major version", p.External, src.ServerVersion, p.Engine.Title(), to)}
	}
	return nil
}
