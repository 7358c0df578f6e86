package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// seconds is a duration that JSON shows in seconds, exact to the nanosecond.
type seconds time.Duration

// MarshalJSON writes whole seconds and the decimals that are needed.
func (s seconds) MarshalJSON() ([]byte, error) {
	whole, rest := int64(s)/1e9, int64(s)%1e9
	sign := ""
	if s < 0 {
		sign, whole, rest = "-", -whole, -rest
	}
	text := sign + strconv.FormatInt(whole, 10)
	if rest != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%09d", rest), "0")
	}
	return []byte(text), nil
}

// UnmarshalJSON reads what MarshalJSON writes: plain decimals, not negative,
// no exponent, at most nine decimals and about 300 years.
func (s *seconds) UnmarshalJSON(data []byte) error {
	whole, decimals, _ := strings.Cut(string(data), ".")
	if len(decimals) > 9 || len(whole) > 10 {
		return fmt.Errorf("duration %.20s: not a number of seconds", data)
	}
	w, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || w > 9e9 {
		return fmt.Errorf("duration %.20s: not a number of seconds", data)
	}
	d, err := strconv.ParseUint((decimals + "000000000")[:9], 10, 63)
	if err != nil {
		return fmt.Errorf("duration %.20s: not a number of seconds", data)
	}
	*s = seconds(w*1e9 + d)
	return nil
}
