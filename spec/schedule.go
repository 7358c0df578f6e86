package spec

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"
	_ "time/tzdata" // a zone is valid or not whatever the machine has installed

	"github.com/robfig/cron/v3"
)

// Schedule is a parsed backup.schedule.
type Schedule struct {
	// Cron is the expression of five fields, as a CronJob takes it.
	Cron string
	// Zone is the IANA time zone it is meant in.
	Zone string
	// Interval is the longest time between two runs, clock changes aside.
	Interval time.Duration
}

// scheduleHint shows how a schedule is written.
const scheduleHint = `write daily (02:00 UTC), or a cron expression with its time zone: "CRON_TZ=Europe/Berlin 30 2 * * *"`

// The scheduled backup is a CronJob, and Kubernetes reads it with this parser;
// @daily and @every are left out because they name no time zone.
var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// ParseSchedule reads "daily" or a cron expression with a time zone in front
// (CRON_TZ=Zone or TZ=Zone).
func ParseSchedule(text string) (Schedule, error) {
	if text == DefaultSchedule {
		return Schedule{Cron: "0 2 * * *", Zone: "UTC", Interval: 24 * time.Hour}, nil
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return Schedule{}, errors.New("must not be empty")
	}
	name, zone, ok := strings.Cut(words[0], "=")
	if !ok || (name != "CRON_TZ" && name != "TZ") {
		return Schedule{}, errors.New("must be daily or a cron expression that begins with its time zone")
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return Schedule{}, errors.New("must name an IANA time zone, such as Europe/Berlin or UTC")
	}
	words = words[1:]
	if len(words) != 5 {
		return Schedule{}, fmt.Errorf("must have five fields after the time zone (minute, hour, day of month, month, day of week), and has %d", len(words))
	}
	s := Schedule{Cron: strings.Join(words, " "), Zone: zone}
	parsed, err := cronParser.Parse(s.Cron)
	if err != nil {
		return Schedule{}, errors.New("must be a valid cron expression (minute, hour, day of month, month, day of week)")
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, errors.New("must be a cron expression of five fields")
	}
	if s.Interval = longestGap(fields); s.Interval == 0 {
		return Schedule{}, errors.New("must run at some time, and this one never does")
	}
	return s, nil
}

const star = 1 << 63 // how the cron library marks a field that was '*'

// longestGap walks the days of eight years, so that 29 February is met, and is
// 0 for a schedule that never runs. Walking runs instead of days would be half
// a million steps for '* * * * *'.
func longestGap(s *cron.SpecSchedule) time.Duration {
	first := time.Duration(bits.TrailingZeros64(s.Hour&^star))*time.Hour + time.Duration(bits.TrailingZeros64(s.Minute&^star))*time.Minute
	last := time.Duration(63-bits.LeadingZeros64(s.Hour&^star))*time.Hour + time.Duration(63-bits.LeadingZeros64(s.Minute&^star))*time.Minute
	longest := longestGapOfDay(s)
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	previous := -1
	for day := range 8*365 + 3 {
		if !runsOn(s, start.AddDate(0, 0, day)) {
			continue
		}
		if previous >= 0 {
			longest = max(longest, time.Duration(day-previous)*24*time.Hour-last+first)
		}
		previous = day
	}
	if previous < 0 {
		return 0
	}
	return longest
}

// runsOn is cron's rule: day of month and day of week both, unless both are
// restricted; then either is enough.
func runsOn(s *cron.SpecSchedule, day time.Time) bool {
	dom := s.Dom&(1<<uint(day.Day())) != 0
	dow := s.Dow&(1<<uint(day.Weekday())) != 0
	if s.Month&(1<<uint(day.Month())) == 0 {
		return false
	}
	if s.Dom&star != 0 || s.Dow&star != 0 {
		return dom && dow
	}
	return dom || dow
}

func longestGapOfDay(s *cron.SpecSchedule) time.Duration {
	longest, previous := 0, -1
	for minute := range 24 * 60 {
		if s.Hour&(1<<uint(minute/60)) == 0 || s.Minute&(1<<uint(minute%60)) == 0 {
			continue
		}
		if previous >= 0 {
			longest = max(longest, minute-previous)
		}
		previous = minute
	}
	return time.Duration(longest) * time.Minute
}
