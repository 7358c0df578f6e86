package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// merge gives the release's values with set over them, as the SDK's own
// options cannot: plain Upgrade drops all user values, ReuseValues writes them
// into the chart and ignores new defaults. A nil leaf in set removes the
// user's value; a null that the user had set stays, since it removes a
// default. Neither argument is changed.
func merge(config, set map[string]any) (map[string]any, error) {
	base, err := plain(config)
	if err != nil {
		return nil, fmt.Errorf("copy the release's values: %w", err)
	}
	over, err := plain(set)
	if err != nil {
		return nil, fmt.Errorf("copy the changed values: %w", err)
	}
	overlay(base, over)
	return base, nil
}

func overlay(base, over map[string]any) {
	for name, v := range over {
		table, isTable := v.(map[string]any)
		switch {
		case v == nil:
			delete(base, name)
		case isTable:
			below, had := base[name].(map[string]any)
			if !had {
				below = map[string]any{}
			}
			overlay(below, table)
			if had || len(below) > 0 {
				base[name] = below
			}
		default:
			base[name] = v
		}
	}
}

// plain copies a tree through JSON, which is how Helm stores it: whole numbers
// become float64 before rendering as they would be after.
func plain(tree map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if len(tree) == 0 {
		return out, nil
	}
	data, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(data, &out)
	return out, err
}

// digest is the SHA-256 of the values as canonical JSON.
func digest(config map[string]any) (string, error) {
	if config == nil {
		config = map[string]any{}
	}
	data, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("digest the release's values: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
