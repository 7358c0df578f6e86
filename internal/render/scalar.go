package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// scalarOrFlow writes a value on one line, as the examples do.
func scalarOrFlow(v any) string {
	if text, ok := v.(string); ok {
		return scalarText(text, plainText)
	}
	return flow(v)
}

func flow(v any) string {
	var parts []string
	switch v := v.(type) {
	case yaml.MapSlice:
		for _, item := range v {
			parts = append(parts, fmt.Sprint(item.Key)+": "+flow(item.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, item := range v {
			parts = append(parts, flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return scalarText(v, plainInFlow)
	}
	return fmt.Sprint(v)
}

// What may stand without quotes: less than YAML allows, and nothing that any of
// its versions reads as something else than text. Inside brackets a colon ends
// a key, and is quoted.
var (
	plainText   = regexp.MustCompile(`^[A-Za-z0-9_/][-A-Za-z0-9_./@=&?+:%]*$`)
	plainInFlow = regexp.MustCompile(`^[A-Za-z0-9_/][-A-Za-z0-9_./@=&?+%]*$`)
	likeNumber  = regexp.MustCompile(`^[-+.:_0-9]*$|^[0-9]{4}-[0-9]{2}-[0-9]{2}|^0[xob]`)
	notText     = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)

func scalarText(text string, plain *regexp.Regexp) string {
	_, err := strconv.ParseFloat(text, 64)
	number := err == nil || likeNumber.MatchString(text) && !threeNumbers.MatchString(text)
	if plain.MatchString(text) && !number && !strings.HasSuffix(text, ":") && !slices.Contains(notText, strings.ToLower(text)) {
		return text
	}
	var quoted bytes.Buffer
	enc := json.NewEncoder(&quoted)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(fmt.Sprintf("a text does not marshal: %v", err)) // a string always does
	}
	return strings.TrimSuffix(quoted.String(), "\n")
}

// threeNumbers is a version, which is text to YAML.
var threeNumbers = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
