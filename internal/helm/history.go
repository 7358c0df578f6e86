package helm

import (
	"context"
	"errors"
	"time"
)

// Revision is one revision of the release, without its values.
type Revision struct {
	Number       int       `json:"revision"`
	Status       string    `json:"status"`
	Chart        string    `json:"chart"`
	AppVersion   string    `json:"appVersion"`
	Updated      time.Time `json:"updated"`
	Description  string    `json:"description"`
	ConfigDigest string    `json:"configDigest"`
}

// Revisions reads the history of the release, newest first; it is empty where
// there is no release. Every secret in
// the values of any revision is shown to see, which must only remember it to
// keep it out of something.
func (c *Client) Revisions(ctx context.Context, see func(value string)) ([]Revision, error) {
	return within(ctx, func() ([]Revision, error) {
		s, err := c.open()
		if err != nil {
			return nil, err
		}
		records, err := c.history(s)
		if errors.Is(err, errNoRelease) {
			return []Revision{}, nil
		}
		if err != nil {
			return nil, err
		}
		out := make([]Revision, 0, len(records))
		for _, rel := range records {
			hide := newScrubber(rel.Config, rel.Chart.Values)
			found := map[string]bool{}
			collect(rel.Config, false, found)
			collect(rel.Chart.Values, false, found)
			for secret := range found {
				see(secret)
			}
			sum, err := digest(rel.Config)
			if err != nil {
				return nil, hide.err(err)
			}
			out = append(out, Revision{
				Number: rel.Version, Status: rel.Info.Status.String(), Chart: rel.Chart.Metadata.Name + "-" + rel.Chart.Metadata.Version,
				AppVersion: rel.Chart.Metadata.AppVersion, Updated: rel.Info.LastDeployed.Time.UTC(), Description: hide.text(rel.Info.Description), ConfigDigest: sum,
			})
		}
		return out, nil
	})
}
