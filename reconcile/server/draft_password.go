package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// secretsWithPassword names the Secrets that may hold the password of an
// external server: the one the release is told to read, or those that the chart
// makes of a password in its values.
func secretsWithPassword(e mover.Engine, live ReleaseStore) []string {
	switch {
	case live.Internal:
		return nil
	case live.ExistingSecret != "":
		return []string{live.ExistingSecret}
	case live.FullName != string(e):
		return []string{live.FullName, string(e)}
	}
	return []string{string(e)}
}

// passwordOf finds the reference to an external server's password, and what has
// to be said of it.
func passwordOf(in Installation, e mover.Engine) (spec.SecretRef, []string) {
	live := in.Release.Store(e)
	plain := ""
	if live.ExistingSecret == "" && hasPlainPassword(e, in.Values) {
		plain = "the release has this password in its values, in plain text, and the chart makes the Secret from it. " +
			"Better is a Secret of your own, named in " + string(e) + ".auth.existingSecret"
	}
	var unread []string
	for _, name := range secretsWithPassword(e, live) {
		got := in.Secrets[name]
		if got.Unread() {
			unread = append(unread, fmt.Sprintf("whether Secret %s has the key could not be read: %s", name, cmp.Or(got.Why, "it was not looked at")))
			continue
		}
		if ref, remarks := keyIn(got, e); !ref.IsZero() {
			return ref, nonEmpty(append([]string{plain}, remarks...))
		}
	}
	ref := spec.SecretRef{Secret: &spec.SecretKey{Name: cmp.Or(live.ExistingSecret, KindOf(e).ownSecret), Key: KindOf(e).passwordKeys[0]}}
	if len(unread) > 0 {
		ref.Secret.Name = secretsWithPassword(e, live)[0]
		return ref, nonEmpty([]string{plain, "decide: " + strings.Join(unread, "; ")})
	}
	if own := in.Secrets[live.ExistingSecret]; live.ExistingSecret != "" && own.Is() {
		return ref, []string{fmt.Sprintf("decide: the release reads Secret %s, which has no key %s (its keys: %s). Name the key with the password",
			ref.Secret.Name, strings.Join(KindOf(e).passwordKeys, " or "), cmp.Or(strings.Join(own.Value.Keys, ", "), "none"))}
	}
	command := fmt.Sprintf("kubectl --context %s --namespace %s create secret generic %s --from-file=%s=FILE", shellWord(in.Context), in.Release.Namespace, ref.Secret.Name, ref.Secret.Key)
	what := "the release names neither a Secret nor a password. Write the password to FILE, without a line break, and make the Secret"
	switch {
	case live.ExistingSecret != "":
		what = fmt.Sprintf("the release reads Secret %s, and the namespace has none of that name. Write the password to FILE, without a line break, and make the Secret", ref.Secret.Name)
	case hasPlainPassword(e, in.Values):
		what = "the release has this password in its values, in plain text, and no Secret with it was found. Write it to FILE, without a line break, and make the Secret"
	}
	return ref, []string{"decide: " + what + ":\n  " + command}
}

// hasPlainPassword tells whether the values hold the password of an external
// server.
func hasPlainPassword(e mover.Engine, said DeclaredValues) bool {
	return slices.ContainsFunc(ValuesSecrets(), func(path string) bool {
		_, set := said.Fact(path)
		return set && strings.HasPrefix(path, string(e)+".") && !strings.HasSuffix(path, ".postgresPassword") // the internal superuser's
	})
}

// keyIn finds the key of a Secret with the password.
func keyIn(got engine.Observed[SecretInfo], e mover.Engine) (spec.SecretRef, []string) {
	if !got.Is() {
		return spec.SecretRef{}, nil
	}
	var has []string
	for _, key := range KindOf(e).passwordKeys {
		if slices.Contains(got.Value.Keys, key) {
			has = append(has, key)
		}
	}
	if len(has) == 0 {
		return spec.SecretRef{}, nil
	}
	var remarks []string
	if len(has) > 1 {
		remarks = append(remarks, "the Secret has key "+has[1]+" as well: the vendor's pages do not agree on which one the application reads, so both should hold the same")
	}
	if got.Value.Name == CredentialsName(e) {
		remarks = append(remarks, "decide: circleci-dr made this Secret when it moved the data out. Name the one that you keep the password in, if there is one")
	}
	return spec.SecretRef{Secret: &spec.SecretKey{Name: got.Value.Name, Key: has[0]}}, remarks
}

func nonEmpty(texts []string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// shellWord quotes a word for a command that people copy.
func shellWord(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@=+") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
