package spec

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What an RPO leaves for a backup to run and for the clock: a set counts when
// it is complete, not when it begins.
const (
	// BackupDuration is the time a scheduled backup is given to complete.
	BackupDuration = time.Hour
	// BackupGrace is the time a scheduled backup may begin late.
	BackupGrace = time.Hour
)

// schedule is the parsed schedule, or false when it is wrong or not there.
func schedule(s *Spec) (Schedule, bool) {
	if s.Backup == nil {
		return Schedule{}, false
	}
	text := s.Backup.Schedule
	if text == "" {
		text = DefaultSchedule
	}
	parsed, err := ParseSchedule(text)
	return parsed, err == nil
}

func scheduleAndObjectives(r *reporter, s *Spec) {
	if s.Backup == nil {
		return
	}
	p := path{"backup", "schedule"}
	if text := s.Backup.Schedule; text != "" {
		if _, err := ParseSchedule(text); err != nil {
			r.add(p, CodeValue, err.Error(), showText(text), scheduleHint)
		}
	}
	objectives := path{"backup", "objectives"}
	duration(r, objectives.key("rto"), s.Backup.Objectives.RTO)
	rpo, ok := duration(r, objectives.key("rpo"), s.Backup.Objectives.RPO)
	plan, known := schedule(s)
	if !ok || !known || r.broken[p.String()] {
		return
	}
	if least := plan.Interval + BackupDuration + BackupGrace; rpo < least {
		r.add(objectives.key("rpo"), CodeRule, "must be at least "+hours(least), s.Backup.Objectives.RPO,
			fmt.Sprintf("%s between backups, %s for one to run, %s of grace; allow more or back up more often", hours(plan.Interval), hours(BackupDuration), hours(BackupGrace)))
	}
}

// hours writes a duration without its zero parts: 26h, 90m.
func hours(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func duration(r *reporter, p path, text string) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		hint := "hours, minutes and seconds, for example 26h or 1h30m"
		if strings.HasSuffix(text, "d") {
			hint = "a day is written 24h"
		}
		r.add(p, CodeValue, "must be a duration", showText(text), hint)
		return 0, false
	}
	if d <= 0 {
		r.add(p, CodeValue, "must be longer than nothing", showText(text), "for example 26h")
		return 0, false
	}
	return d, true
}

// retentionFitsSchedule notes when one of the two rules of retention does
// nothing: it is allowed, and rarely meant.
func retentionFitsSchedule(r *reporter, s *Spec) {
	plan, ok := schedule(s)
	if !ok {
		return
	}
	full := s.WithDefaults().Backup.Retention
	age, block := time.Duration(full.Days)*24*time.Hour, path{"backup", "retention"}
	switch span := time.Duration(full.MinimumGood) * plan.Interval; {
	case full.Days < 1 || full.MinimumGood < 1:
	case plan.Interval > age:
		r.note(block, CodeNote, fmt.Sprintf("days (%d) is shorter than the time between backups (%s): only minimumGood keeps sets", full.Days, hours(plan.Interval)), "keep them longer or back up more often")
	case span > age:
		r.note(block, CodeNote, fmt.Sprintf("minimumGood (%d) keeps sets for %s, longer than days (%d): days does nothing", full.MinimumGood, hours(span), full.Days), "raise days or lower minimumGood")
	}
}

func oneEncryption(r *reporter, s *Spec) {
	p := path{"backup", "encryption"}
	if s.Backup == nil || s.Backup.Encryption == nil {
		return
	}
	age, kms := r.has(p.key("age")), r.has(p.key("kms"))
	switch {
	case age && kms:
		r.add(p, CodeRule, "must have exactly one of age and kms", "both", "keep the one that is meant")
	case !age && !kms:
		r.add(p, CodeRule, "must have exactly one of age and kms", "neither", "for example {age: {recipients: [age1…]}} or {kms: {key: alias/NAME}}")
	}
}

// bech32 characters, as in age's own recipients; the native ones have 58 of
// them, hybrid ones some thousands.
var ageRecipient = regexp.MustCompile(`^age1([a-z0-9]*1)?[02-9ac-hj-np-z]{58,}$`)

func ageRecipients(r *reporter, s *Spec) {
	if s.Backup == nil || s.Backup.Encryption == nil || s.Backup.Encryption.Age == nil {
		return
	}
	for i, recipient := range s.Backup.Encryption.Age.Recipients {
		p := path{"backup", "encryption", "age", "recipients"}.index(i)
		switch {
		case recipient == "" || ageRecipient.MatchString(recipient):
		case strings.HasPrefix(strings.ToUpper(recipient), "AGE-SECRET-KEY-") || looksSecret(recipient):
			r.add(p, CodeSecret, "must be an age recipient (age1…), the public half", "what looks like a private key, which is not shown",
				"write what age-keygen -y prints; the private key has been in this file, so make a new pair")
		case strings.HasPrefix(recipient, "ssh-"):
			r.add(p, CodeValue, "must be an age recipient (age1…)", "an SSH key", "make a pair with age-keygen and write its public half")
		default:
			r.add(p, CodeValue, "must be an age recipient (age1…)", showText(recipient), "copy the whole public key: age1 and 58 more characters")
		}
	}
}

var storeSchemes = []string{"file", "s3", "gs", "azblob"}

// A query may carry options of the store, never what opens it.
var storeCredential = regexp.MustCompile(`(?i)secret|passw|token|credential|signature|access_?-?key|account_?-?key|shared_?-?key|^(sig|sas|key)$|^x-amz-`)

func storeAddress(r *reporter, s *Spec) {
	if s.Backup == nil || s.Backup.Store == "" {
		return
	}
	p, text := path{"backup", "store"}, s.Backup.Store
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || !strings.Contains(text, "://") {
		r.add(p, CodeValue, "must be a URL with one of the schemes file, s3, gs, azblob", "", "for example s3://BUCKET/PREFIX?region=eu-west-1")
		return
	}
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case !slices.Contains(storeSchemes, u.Scheme):
		r.add(p, CodeValue, "must have one of the schemes file, s3, gs, azblob", showText(u.Scheme), didYouMean(u.Scheme, storeSchemes, "for example s3://BUCKET/PREFIX"))
	case u.User != nil || hasCredential(query):
		r.add(p, CodeSecret, "must not hold credentials", "a URL that is not shown", "the store uses the identity of who runs it (role, workload identity, environment); if the credentials were real, change them")
	case err != nil:
		r.add(p, CodeValue, "must have a valid query", "", "NAME=VALUE, joined by '&'")
	case u.Fragment != "":
		r.add(p, CodeValue, "must not have a fragment (#…)", "", "put '#' in quotes as %23")
	case u.Scheme == "file" && u.Host != "":
		r.add(p, CodeValue, "must have three slashes and an absolute path", showText("file://"+u.Host), "for example file:///var/backups/circleci")
	case u.Scheme == "file" && (!filepath.IsAbs(u.Path) || filepath.Clean(u.Path) == "/"):
		r.add(p, CodeValue, "must name a directory", "", "for example file:///var/backups/circleci")
	case u.Scheme != "file" && u.Hostname() == "":
		r.add(p, CodeValue, "must name a bucket or container", "", "for example "+u.Scheme+"://BUCKET/PREFIX")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		r.add(p, CodeValue, "must not hold '..'", "", "write the path itself")
	}
}

func hasCredential(query url.Values) bool {
	for name := range query {
		if storeCredential.MatchString(name) {
			return true
		}
	}
	return false
}
